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
  /** Decides whether a proxy may have configuration; throws a {@link StreamError} if not. */
  authorize(node: ProxyNode, call: AdsCall): void | Promise<void>;
  /** Makes the session of a proxy that was let in. */
  open(node: ProxyNode, variant: Variant, stream: AdsStream): ProxySession;
  /** The stream of a session is over. */
  closed(session: ProxySession): void;
  /** A request for a type that Weft does not serve; it stays unanswered, as istiod leaves it. */
  unknownType(typeUrl: string, node: ProxyNode): void;
  /** A defect of the server's own ended a stream. */
  failed(error: unknown): void;
}

const known: ReadonlySet<string> = new Set(pushOrder);

/** One ADS stream: reads requests, checks who sends them, and passes them to its session. */
export class AdsStream {
  readonly #call: AdsCall;
  readonly #variant: Variant;
  readonly #host: StreamHost;
  #node: ProxyNode | undefined;
  #session: ProxySession | undefined;
  #ended = false;
  /** What came while the proxy was being authorized; the call is paused then, so this stays short. */
  #early: DiscoveryRequest[] = [];

  constructor(call: AdsCall, variant: Variant, host: StreamHost) {
    this.#call = call;
    this.#variant = variant;
    this.#host = host;
    call.on('data', (bytes: Buffer) => this.#guard(() => this.#receive(bytes)));
    call.on('drain', () => this.#guard(() => this.#session?.drained()));
    call.on('end', () => {
      this.#over();
      call.end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, () => this.#over());
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
    const permission = this.#host.authorize(this.#node, this.#call);
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
