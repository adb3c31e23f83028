import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Registry } from 'prom-client';
import type { Resource, TypeUrl } from '../envoy/resource.ts';
import { type ProxyNode, proxyName } from '../mesh/proxy.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { adsService } from './ads-service.ts';
import { formatAddress } from './bind-address.ts';
import { Ledger } from './ledger.ts';
import { createXdsMetrics, metricType } from './metrics.ts';
import { defaultXdsOptions, grpcOptions, type XdsOptions } from './options.ts';
import type { ProxyClasses } from './proxy-class.ts';
import { type ProxyReport, reportProxy, resourcesOf } from './proxy-report.ts';
import { PushQueue } from './push-queue.ts';
import type { EnvoyFilterRollout } from './rollout/envoy-filter-rollout.ts';
import { ProxySession } from './session/proxy-session.ts';
import { SessionRegistry } from './session-registry.ts';
import { type AdsCall, AdsStream, type Authenticate, type StreamHost } from './stream.ts';
import type { Variant } from './wire/encode-response.ts';
import { deadlineExceeded, unavailable } from './wire/stream-error.ts';

export interface XdsServerInit {
  readonly classes: ProxyClasses;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where the metrics are registered. */
  readonly registry: Registry;
  readonly options?: Partial<XdsOptions>;
  /** Decides who gets which generation of an EnvoyFilter; the same that `classes` asks. Default: everybody gets every generation at once. */
  readonly rollout?: EnvoyFilterRollout;
  /** Calls back in the event loop's next turn. Default `setImmediate`. */
  readonly nextTurn?: (callback: () => void) => void;
}

/** Who may connect to a port, and how. */
export interface PortOptions {
  /** Default: plaintext. */
  readonly credentials?: ServerCredentials;
  /** Finds out who opens a stream, and what they may have. Default: everyone may have everything. */
  readonly authenticate?: Authenticate;
}

/** Where a server listens. */
export interface BoundAddress {
  readonly host: string;
  readonly port: number;
  /** Both, IPv6 in brackets. */
  readonly address: string;
}

/** Serves xDS from this replica alone, and keeps count of who has acknowledged what. */
export interface XdsServer {
  readonly ledger: Ledger;
  /** Opens a port (0: any free one); more than once for several. Rejects if the address cannot be had. */
  listen(host: string, port: number, options?: PortOptions): Promise<BoundAddress>;
  /** Every connected proxy. */
  proxies(): ProxyReport[];
  /** The nodes of the connected proxies. */
  nodes(): Iterable<ProxyNode>;
  /** What a connected proxy is given, by type; `proxy`: `namespace/name`. Undefined: it is not connected. */
  resources(proxy: string): ReadonlyMap<TypeUrl, readonly Resource[]> | undefined;
  /** Takes no one in any more, ends every stream with UNAVAILABLE behind what is written, and resolves when all are gone or `deadlineMs` is over. */
  close(options: { readonly deadlineMs: number }): Promise<void>;
}

/** Makes a server; it takes changes from `classes` from now on and proxies from the first {@link XdsServer.listen}. */
export function createXdsServer(init: XdsServerInit): XdsServer {
  return new GrpcXdsServer(init);
}

class GrpcXdsServer implements XdsServer, StreamHost {
  readonly ledger: Ledger;
  readonly maxNodeBytes: number;
  readonly #init: XdsServerInit;
  readonly #options: XdsOptions;
  readonly #metrics: ReturnType<typeof createXdsMetrics>;
  readonly #registry = new SessionRegistry();
  readonly #queue: PushQueue;
  readonly #servers: Server[] = [];
  readonly #streams = new Set<AdsStream>();
  readonly #streamOf = new WeakMap<ProxySession, AdsStream>();
  readonly #unknownTypes = new Set<string>();
  #closing = false;

  constructor(init: XdsServerInit) {
    this.#init = init;
    this.#options = { ...defaultXdsOptions, ...init.options };
    this.maxNodeBytes = this.#options.maxNodeBytes;
    this.#metrics = createXdsMetrics(init.registry);
    this.ledger = new Ledger(init.classes, this.#registry, init.clock, init.rollout);
    init.rollout?.attach({
      groups: () => this.#registry.groups(),
      wouldChange: ({ proxyClass, node }) => init.classes.wouldChange(proxyClass, node),
    });
    this.#queue = new PushQueue({
      classes: init.classes,
      registry: this.#registry,
      clock: init.clock,
      logger: init.logger,
      metrics: this.#metrics,
      options: this.#options,
      nextTurn: init.nextTurn ?? setImmediate,
      decide: () => init.rollout?.decide(),
      refreshed: (refresh) => this.ledger.refreshed(refresh),
      failed: (session, error) => this.#streamOf.get(session)?.fail(error),
    });
  }

  listen(host: string, port: number, { credentials, authenticate }: PortOptions = {}): Promise<BoundAddress> {
    // A gRPC server for each port: a stream does not tell reliably on which one it came.
    const server = new Server(grpcOptions(this.#options));
    server.addService(adsService, {
      StreamAggregatedResources: (call: AdsCall) => this.#accept(call, 'sotw', authenticate),
      DeltaAggregatedResources: (call: AdsCall) => this.#accept(call, 'delta', authenticate),
    });
    return new Promise((resolve, reject) => {
      server.bindAsync(formatAddress(host, port), credentials ?? ServerCredentials.createInsecure(), (error, bound) => {
        if (error) {
          reject(new Error(`xDS cannot listen on ${formatAddress(host, port)}: ${error.message}`, { cause: error }));
          return;
        }
        this.#servers.push(server);
        resolve({ host, port: bound, address: formatAddress(host, bound) });
      });
    });
  }

  proxies(): ProxyReport[] {
    return Array.from(this.#registry.sessions(), reportProxy);
  }

  *nodes(): Generator<ProxyNode> {
    for (const { node } of this.#registry.sessions()) yield node;
  }

  resources(proxy: string): ReadonlyMap<TypeUrl, readonly Resource[]> | undefined {
    for (const session of this.#registry.sessions()) if (proxyName(session.node) === proxy) return resourcesOf(session);
    return undefined;
  }

  async close({ deadlineMs }: { readonly deadlineMs: number }): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#queue.close();
    const gone = Promise.all(this.#servers.map((server) => new Promise<void>((done) => server.tryShutdown(() => done()))));
    for (const stream of [...this.#streams]) stream.fail(unavailable('the control plane is shutting down'));
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#init.clock.setTimer(resolve, deadlineMs);
    });
    await Promise.race([gone, late]);
    cancel();
    for (const server of this.#servers) server.forceShutdown();
    this.ledger.close();
  }

  #accept(call: AdsCall, variant: Variant, authenticate: Authenticate | undefined): void {
    const stream = new AdsStream(call, { variant, host: this, ...(authenticate && { authenticate }) });
    this.#streams.add(stream);
    const { admissionTimeoutMs } = this.#options;
    const cancel = this.#init.clock.setTimer(() => {
      if (!stream.isAdmitted) stream.fail(deadlineExceeded(`no request with a node came within ${admissionTimeoutMs} ms`));
    }, admissionTimeoutMs);
    call.once('close', () => {
      cancel();
      this.#streams.delete(stream);
    });
    if (this.#closing) stream.fail(unavailable('the control plane is shutting down'));
  }

  /** {@link StreamHost} */
  open(node: ProxyNode, variant: Variant, stream: AdsStream): ProxySession {
    const { classes, clock, logger, rollout } = this.#init;
    const session = new ProxySession({
      node,
      variant,
      proxyClass: classes.join(node),
      clock,
      metrics: this.#metrics,
      options: this.#options,
      observer: {
        progressed: (session, before, objects) => {
          this.ledger.progressed(session, before, objects);
          rollout?.progressed(session);
        },
        refused: (session, typeUrl, message, resources) => {
          const names = resources.slice(0, 5).map(({ name }) => name);
          logger.warn('A proxy refused configuration', {
            proxy: proxyName(node),
            type: metricType(typeUrl),
            resources: names,
            reason: message,
          });
          this.ledger.refused(session);
          rollout?.refused(session, resources, message);
        },
      },
      send: (message) => stream.send(message),
      fail: (error) => stream.fail(error),
    });
    this.#streamOf.set(session, stream);
    this.#registry.add(session);
    this.#metrics.connected.inc({ version: node.proxyVersion ?? 'unknown' });
    this.ledger.membershipChanged();
    logger.info('A proxy connected', { proxy: proxyName(node), variant, class: session.proxyClass.key });
    return session;
  }

  /** {@link StreamHost} */
  closed(session: ProxySession): void {
    const { classes, logger, rollout } = this.#init;
    const { node, proxyClass } = session;
    this.#queue.forget(session);
    rollout?.closed(session);
    this.#registry.remove(session);
    this.#metrics.connected.dec({ version: node.proxyVersion ?? 'unknown' });
    this.ledger.membershipChanged();
    classes.leave(proxyClass, node);
    logger.info('A proxy disconnected', { proxy: proxyName(node) });
  }

  /** {@link StreamHost} */
  relabelled({ node }: ProxySession): void {
    this.#init.classes.reconsider(node);
  }

  /** {@link StreamHost} */
  unknownType(typeUrl: string, node: ProxyNode): void {
    if (this.#unknownTypes.has(typeUrl) || this.#unknownTypes.size >= maxUnknownTypes) return;
    this.#unknownTypes.add(typeUrl);
    this.#init.logger.info('A proxy asked for a type that is not served; it gets no answer', { typeUrl, proxy: proxyName(node) });
  }

  /** {@link StreamHost} */
  failed(error: unknown): void {
    this.#metrics.internalErrors.inc();
    this.#init.logger.error('A defect ended a proxy stream', { error });
  }
}

/** Type URLs come from clients: this many are told apart in the log. */
const maxUnknownTypes = 100;
