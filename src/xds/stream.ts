import { isDeepStrictEqual } from 'node:util';
import { toBinary } from '@bufbuild/protobuf';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { NodeSchema } from '../envoy/gen/envoy/config/core/v3/base_pb.js';
import { pushOrder } from '../envoy/resource.ts';
import type { ProxyNode } from '../mesh/proxy.ts';
import type { ProxySession } from './session/proxy-session.ts';
import { type DiscoveryRequest, decodeRequest } from './wire/decode-request.ts';
import type { Variant } from './wire/encode-response.ts';
import { parseNode } from './wire/parse-node.ts';
import { invalidArgument, resourceExhausted, StreamError } from './wire/stream-error.ts';

/** A stream as gRPC hands it over, messages as bytes. */
export type AdsCall = ServerDuplexStream<Buffer, Buffer>;

/** What a stream needs of the server. */
export interface StreamHost {
  readonly maxNodeBytes: number;
  /** Makes the session of a proxy that was let in. */
  open(node: ProxyNode, variant: Variant, stream: AdsStream): ProxySession;
  /** The stream of a session is over. */
  closed(session: ProxySession): void;
  /** The labels of a session's node are others than before. */
  relabelled(session: ProxySession): void;
  /** A request for a type that Weft does not serve; it stays unanswered, as istiod leaves it. */
  unknownType(typeUrl: string, node: ProxyNode): void;
  /** A defect of the server's own ended a stream. */
  failed(error: unknown): void;
}

/** A stream in the hands of who lets it in, then and later. */
export interface GuardedStream {
  /** It has ended meanwhile. */
  readonly isOver: boolean;
  /** Turns the proxy out. */
  end(error: StreamError): void;
  /** Says what the labels of the proxy's workload are, whatever its node claims. */
  relabel(labels: Readonly<Record<string, string>>): void;
}

/**
 * Decides, when a proxy has said who it is, whether it may have configuration; throws a {@link StreamError} (PERMISSION_DENIED) if
 * not.
 */
export type Authorize = (node: ProxyNode, stream: GuardedStream) => void | Promise<void>;

/**
 * Finds out who opened a stream, by its metadata, before a byte of it is read; throws a {@link StreamError} (UNAUTHENTICATED) if that
 * cannot be told.
 */
export type Authenticate = (call: AdsCall) => Promise<Authorize>;

/** How a stream is served. */
export interface AdsStreamOptions {
  readonly variant: Variant;
  readonly host: StreamHost;
  /** Default: everyone is let in. */
  readonly authenticate?: Authenticate;
}

const known: ReadonlySet<string> = new Set(pushOrder);

/** One ADS stream: reads requests, checks who sends them, and passes them to its session. */
export class AdsStream {
  readonly #call: AdsCall;
  readonly #variant: Variant;
  readonly #host: StreamHost;
  #authorize: Authorize = () => {};
  #node: ProxyNode | undefined;
  #session: ProxySession | undefined;
  #ended = false;
  /** What came while the proxy was being authorized; the call is paused then, so this stays short. */
  #early: DiscoveryRequest[] = [];

  constructor(call: AdsCall, { variant, host, authenticate }: AdsStreamOptions) {
    this.#call = call;
    this.#variant = variant;
    this.#host = host;
    for (const event of ['cancelled', 'close', 'error']) call.on(event, () => this.#over());
    if (!authenticate) {
      this.#listen();
      return;
    }
    authenticate(call).then(
      (authorize) => {
        this.#authorize = authorize;
        if (!this.#ended) this.#listen();
      },
      (error: unknown) => this.fail(error),
    );
  }

  /** Whether the proxy has been let in. */
  get isAdmitted(): boolean {
    return this.#session !== undefined;
  }

  /** Writes a message; false: wait until the session is told that the stream has drained. */
  send(message: Buffer): boolean {
    return this.#ended ? false : this.#call.write(message);
  }

  /** Ends the stream behind what is written already: a {@link StreamError} as its own status, anything else as INTERNAL. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#over();
    if (!(error instanceof StreamError)) this.#host.failed(error);
    const { code, message } =
      error instanceof StreamError ? error : { code: status.INTERNAL, message: 'internal error of the control plane' };
    this.#call.emit('error', { code, details: message });
  }

  /** Nothing is read of a stream before. */
  #listen(): void {
    const call = this.#call;
    call.on('data', (bytes: Buffer) => this.#guard(() => this.#receive(bytes)));
    call.on('drain', () => this.#guard(() => this.#session?.drained()));
    call.on('end', () => {
      this.#over();
      call.end();
    });
  }

  #guard(work: () => void): void {
    if (this.#ended) return;
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  #receive(bytes: Buffer): void {
    const request = decodeRequest(this.#variant, bytes);
    if (this.#session) this.#serve(request);
    else if (this.#node) this.#early.push(request);
    else this.#admit(request);
  }

  #admit(request: DiscoveryRequest): void {
    if (request.node) {
      const sizeBytes = toBinary(NodeSchema, request.node).length;
      const { maxNodeBytes } = this.#host;
      if (sizeBytes > maxNodeBytes) throw resourceExhausted(`the node has ${sizeBytes} bytes; the limit is ${maxNodeBytes}`);
    }
    this.#node = parseNode(request.node);
    this.#early.push(request);
    const permission = this.#authorize(this.#node, this.#guarded());
    if (!(permission instanceof Promise)) {
      this.#open();
      return;
    }
    this.#call.pause();
    permission.then(
      () => {
        this.#guard(() => this.#open());
        this.#call.resume();
      },
      (error: unknown) => this.fail(error),
    );
  }

  #guarded(): GuardedStream {
    const isOver = () => this.#ended;
    return {
      get isOver() {
        return isOver();
      },
      end: (error) => this.fail(error),
      relabel: (labels) => this.#guard(() => this.#relabel(labels)),
    };
  }

  #relabel(labels: Readonly<Record<string, string>>): void {
    const node = this.#node!;
    if (isDeepStrictEqual(labels, node.labels)) return;
    node.labels = labels;
    if (this.#session) this.#host.relabelled(this.#session);
  }

  #open(): void {
    this.#session = this.#host.open(this.#node!, this.#variant, this);
    const early = this.#early;
    this.#early = [];
    for (const request of early) this.#serve(request);
  }

  #serve(request: DiscoveryRequest): void {
    const id = request.node?.id;
    if (id && id !== this.#node!.id) {
      throw invalidArgument(`the stream belongs to node "${this.#node!.id}"; a request on it names "${id.slice(0, 200)}"`);
    }
    if (known.has(request.typeUrl)) this.#session!.receive(request);
    else this.#host.unknownType(request.typeUrl, this.#node!);
  }

  #over(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#early = [];
    if (!this.#session) return;
    this.#session.close();
    this.#host.closed(this.#session);
  }
}
