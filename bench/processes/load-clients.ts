import { type Mark, MarkedChange, PushRound } from '../arrivals.ts';
import { nowMs } from '../clock.ts';
import { LightProxy } from '../light-proxy/light-proxy.ts';
import type { LightResponse } from '../light-proxy/read-response.ts';
import { serve } from './serve.ts';

/** A proxy to simulate. */
export interface ProxyShape {
  readonly namespace: string;
  /** Default: none. */
  readonly labels?: { readonly app?: string };
}

/** Proxies by namespace and app; absent: of any. */
export interface Affected {
  readonly namespace?: string;
  readonly app?: string;
}

interface Proxy {
  readonly shape: ProxyShape;
  readonly light: LightProxy;
}

const proxies: Proxy[] = [];
let change: MarkedChange | undefined;
let round: PushRound | undefined;
let sample: Uint8Array[] = [];
let strays = 0;

const operations = {
  /** Connects delta proxies to a control plane, all at once. Answers when the last was in sync. */
  async connect({ address, shapes }: { address: string; shapes: readonly ProxyShape[] }): Promise<number> {
    const synced = shapes.map((shape) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const light = open(
        { address, shape },
        () => light.isInSync && resolve(nowMs()),
        (reason) => reject(new Error(`a proxy's stream ended: ${reason}`)),
      );
      light.start();
      return promise;
    });
    return Math.max(...(await within(60_000, Promise.all(synced), () => 'not all proxies came in sync')));
  },

  /** Connects to a server that only pushes. */
  connectBare({ address, count }: { address: string; count: number }): void {
    const none = () => {};
    for (let added = 0; added < count; added++) open({ address, shape: { namespace: 'bare' } }, none, none).startBare();
  },

  /** Announces a round of pushes, so many responses to each proxy. */
  expectRound({ responsesEach }: { responsesEach: number }): void {
    round = new PushRound(proxies.length, responsesEach);
  },

  /** When the announced round's last acknowledgement was written. */
  roundArrived(_: undefined): Promise<number> {
    return within(20_000, round!.arrived, () => 'the round did not reach all clients');
  },

  /** Announces a change. Answers how many proxies it is expected at. */
  expect({ marks, affected }: { marks: readonly Mark[]; affected: Affected }): number {
    const { namespace, app } = affected;
    const expected = proxies.filter(
      ({ shape }) =>
        (namespace === undefined || shape.namespace === namespace) && (app === undefined || shape.labels?.app === app),
    );
    change = new MarkedChange(
      marks,
      expected.map(({ light }) => light),
    );
    sample = [];
    return expected.length;
  },

  /** When the last proxy wrote its last acknowledgement of the announced change. */
  arrived(_: undefined): Promise<number> {
    return within(20_000, change!.arrived, () => `the change did not reach all proxies: ${change}`);
  },

  /** The responses to the first proxy since the last change was announced. */
  sample(_: undefined): Uint8Array[] {
    return sample;
  },

  /** How many responses went to proxies that no announced change was expected at, since the last call. */
  strays(_: undefined): number {
    const counted = strays;
    strays = 0;
    return counted;
  },
};

export type LoadClientsOperations = typeof operations;

function open(
  { address, shape }: { readonly address: string; readonly shape: ProxyShape },
  onResponse: () => void,
  onEnd: (reason: string) => void,
): LightProxy {
  const index = proxies.length;
  const { namespace, labels = {} } = shape;
  const ip = `192.168.${index >> 8}.${index & 255}`;
  const light = new LightProxy({
    address,
    node: {
      id: `sidecar~${ip}~proxy-${index}.${namespace}~${namespace}.svc.cluster.local`,
      metadata: { NAMESPACE: namespace, LABELS: { ...labels } },
    },
    onResponse(response: LightResponse) {
      const at = nowMs();
      if (change && !change.concerns(light)) strays++;
      change?.note(light, response, at);
      round?.note(at);
      if (index === 0) sample.push(Buffer.from(response.message));
      onResponse();
    },
    onEnd,
  });
  proxies.push({ shape, light });
  return light;
}

function within<T>(limitMs: number, awaited: Promise<T>, problem: () => string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${problem()} within ${limitMs} ms`)), limitMs);
  return Promise.race([awaited, late.promise]).finally(() => clearTimeout(timer));
}

serve(operations);
