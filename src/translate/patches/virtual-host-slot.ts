import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type VirtualHost, VirtualHostSchema } from '../../envoy/gen/envoy/config/route/v3/route_components_pb.js';
import { readFields, text } from './wire-fields.ts';

const { name: nameField, domains: domainsField } = VirtualHostSchema.field;

/** A virtual host of a route configuration, which may have thousands: read only as far as somebody asks. */
export class VirtualHostSlot {
  #bytes: Uint8Array | undefined;
  #message: VirtualHost | undefined;

  constructor(virtualHost: Uint8Array | VirtualHost) {
    if (virtualHost instanceof Uint8Array) this.#bytes = virtualHost;
    else this.#message = virtualHost;
  }

  get name(): string {
    if (this.#message) return this.#message.name;
    for (const { number, content } of readFields(this.#bytes!)) if (number === nameField.number) return text(content);
    return '';
  }

  get domains(): readonly string[] {
    if (this.#message) return this.#message.domains;
    return [...readFields(this.#bytes!)].flatMap(({ number, content }) =>
      number === domainsField.number ? [text(content)] : [],
    );
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
