import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type VirtualHost, VirtualHostSchema } from '../../envoy/gen/envoy/config/route/v3/route_components_pb.js';
import { readFields, text } from './wire-fields.ts';

/** A virtual host of a route configuration, which may have thousands: read only as far as somebody asks. */
export class VirtualHostSlot {
  #bytes: Uint8Array | undefined;
  #message: VirtualHost | undefined;
  #identity: { readonly name: string; readonly domains: readonly string[] } | undefined;

  constructor(virtualHost: Uint8Array | VirtualHost) {
    if (virtualHost instanceof Uint8Array) this.#bytes = virtualHost;
    else this.#message = virtualHost;
  }

  /** What it is matched by. */
  get identity(): { readonly name: string; readonly domains: readonly string[] } {
    if (this.#message) return this.#message;
    this.#identity ??= readIdentity(this.#bytes!);
    return this.#identity;
  }

  /** The message, to be changed in place. */
  open(): VirtualHost {
    this.#message ??= fromBinary(VirtualHostSchema, this.#bytes!);
    return this.#message;
  }

  /** Puts another virtual host in its place. */
  replace(virtualHost: VirtualHost): void {
    this.#message = virtualHost;
  }

  /** The bytes: those that it came in, unless somebody opened it. */
  encode(): Uint8Array {
    return this.#message ? toBinary(VirtualHostSchema, this.#message) : this.#bytes!;
  }
}

const [nameField, domainsField] = [1, 2];

function readIdentity(bytes: Uint8Array) {
  let name = '';
  const domains: string[] = [];
  for (const { number, content } of readFields(bytes)) {
    if (number === nameField) name = text(content);
    else if (number === domainsField) domains.push(text(content));
  }
  return { name, domains };
}
