import ipaddr from 'ipaddr.js';

/** The one question of a query. */
export interface DnsQuestion {
  id: number;
  /** In lower case, without the final dot. */
  name: string;
  /** RFC 1035 type number: 1 is A, 28 is AAAA. */
  type: number;
  /** True when the asker set RD, which an answer repeats. */
  recursionDesired: boolean;
  /** The question section's bytes, which an answer repeats as they are. */
  bytes: Buffer;
}

/** Type numbers this server knows (RFC 1035, RFC 3596). */
export const dnsTypes = { a: 1, aaaa: 28 } as const;

/** Response codes of RFC 1035 4.1.1. */
export const rcodes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** Reads a query's header and question; undefined when it is not a well-formed query with one question (RFC 1035 4.1). */
export const readQuestion = (packet: Buffer): DnsQuestion | undefined => {
  if (packet.length < 17 || (packet[2]! & 0x80) !== 0 || packet.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = 12;
  for (;;) {
    const length = packet[at];
    if (length === undefined || length > 63 || at + 1 + length > packet.length) return undefined;
    at += 1;
    if (length === 0) break;
    labels.push(packet.toString('latin1', at, at + length));
    at += length;
  }
  if (at + 4 > packet.length) return undefined;
  return {
    id: packet.readUInt16BE(0),
    name: labels.join('.').toLowerCase(),
    type: packet.readUInt16BE(at),
    recursionDesired: (packet[2]! & 0x01) !== 0,
    bytes: packet.subarray(12, at + 4),
  };
};

/** Builds the answer to a question: addresses of the asked family, all with one time to live. */
export const writeAnswer = (question: DnsQuestion, rcode: number, addresses: readonly string[], ttlSeconds: number): Buffer => {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(question.id, 0);
  // QR and AA, RD as asked, RA.
  header.writeUInt16BE(0x8480 | (question.recursionDesired ? 0x0100 : 0) | rcode, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    const data = Buffer.from(ipaddr.parse(address).toByteArray());
    const record = Buffer.alloc(12);
    // A pointer to the question's name at offset 12.
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(question.type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(ttlSeconds, 6);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([header, question.bytes, ...records]);
};
