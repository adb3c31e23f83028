/** A resource of a response; `value`: its bytes within those of the response. */
export interface LightResource {
  readonly name: string;
  readonly version: string;
  readonly value: Buffer;
}

/** What a proxy must know of a delta response to answer it. */
export interface LightResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: ReadonlyMap<string, LightResource>;
  readonly removed: readonly string[];
  /** The response itself. */
  readonly message: Buffer;
}

const lengthDelimited = 2;

/** Reads envoy.service.discovery.v3.DeltaDiscoveryResponse as far as names, versions and where values stand. */
export function readResponse(message: Buffer): LightResponse {
  let typeUrl = '';
  let nonce = '';
  const resources = new Map<string, LightResource>();
  const removed: string[] = [];
  for (const { field, bytes } of fieldsOf(message)) {
    if (field === 2) {
      const resource = readResource(bytes);
      resources.set(resource.name, resource);
    } else if (field === 4) typeUrl = bytes.toString();
    else if (field === 5) nonce = bytes.toString('latin1');
    else if (field === 6) removed.push(bytes.toString());
  }
  return { typeUrl, nonce, resources, removed, message };
}

/** envoy.service.discovery.v3.Resource. */
function readResource(message: Buffer): LightResource {
  let name = '';
  let version = '';
  let value = message.subarray(0, 0);
  for (const { field, bytes } of fieldsOf(message)) {
    if (field === 1) version = bytes.toString('latin1');
    else if (field === 3) name = bytes.toString();
    else if (field === 2) for (const inner of fieldsOf(bytes)) if (inner.field === 2) value = inner.bytes;
  }
  return { name, version, value };
}

/** The fields of a message, all of which are strings, bytes or messages. */
function* fieldsOf(message: Buffer): Generator<{ readonly field: number; readonly bytes: Buffer }> {
  for (let at = 0; at < message.length; ) {
    const tag = message[at++]!;
    if ((tag & 7) !== lengthDelimited || tag > 0x7f) throw new Error(`unexpected tag ${tag} in a response`);
    let length = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]!;
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    yield { field: tag >> 3, bytes: message.subarray(at, at + length) };
    at += length;
  }
}
