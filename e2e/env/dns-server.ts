import { createSocket } from 'node:dgram';
import { isIPv4, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { formatAddress, isPath, parseAddress } from './address.ts';
import { dnsTypes, rcodes, readQuestion, writeAnswer } from './dns-packet.ts';
import { isScript, startScript } from './script.ts';

/** What a name answers. A family without addresses gives an empty answer, not NXDOMAIN. */
export interface DnsRecords {
  /** IPv4 addresses. */
  a?: string[];
  /** IPv6 addresses. */
  aaaa?: string[];
  /** Default 1. */
  ttlSeconds?: number;
  /** Fail every query for the name: with this response code, or `silent`, which never answers. */
  fail?: 'SERVFAIL' | 'REFUSED' | 'silent';
}

/** A DNS server of the test's own: it knows the names it was given and answers NXDOMAIN to the rest. It asks nobody. */
export interface DnsServer {
  readonly host: string;
  readonly port: number;
  /** Sets or replaces a name's records. Throws when an address is not one of its family, or when there are too many for one packet. */
  set(name: string, records: DnsRecords): Promise<void>;
  delete(name: string): Promise<void>;
  /** How many queries came so far: for one name, or for all. */
  queries(name?: string): Promise<number>;
  close(): Promise<void>;
}

// 32 AAAA records take 896 bytes, within the 1,232 that resolvers accept over UDP.
const maxAddresses = 32;

const normalise = (name: string): string => name.toLowerCase().replace(/\.$/, '');

const checkRecords = (name: string, { a = [], aaaa = [] }: DnsRecords): void => {
  const wrong = a.find((address) => !isIPv4(address)) ?? aaaa.find((address) => !isIPv6(address));
  if (wrong !== undefined) throw new Error(`DNS name ${name}: '${wrong}' is not an address of its family`);
  if (Math.max(a.length, aaaa.length) > maxAddresses)
    throw new Error(`DNS name ${name}: at most ${maxAddresses} addresses of a family fit one answer`);
};

const serve = async (host: string, port: number): Promise<DnsServer> => {
  const names = new Map<string, DnsRecords>();
  const counts = new Map<string, number>();
  const socket = createSocket(isIPv6(host) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' });
  socket.on('message', (packet, { address, port: peerPort }) => {
    const question = readQuestion(packet);
    if (question === undefined) return;
    counts.set(question.name, (counts.get(question.name) ?? 0) + 1);
    const records = names.get(question.name);
    if (records?.fail === 'silent') return;
    const rcode = records === undefined ? rcodes.NXDOMAIN : rcodes[records.fail ?? 'NOERROR'];
    const family = question.type === dnsTypes.a ? records?.a : question.type === dnsTypes.aaaa ? records?.aaaa : [];
    const addresses = rcode === rcodes.NOERROR ? (family ?? []) : [];
    socket.send(writeAnswer(question, rcode, addresses, records?.ttlSeconds ?? 1), peerPort, address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) =>
      reject(new Error(`DNS server cannot bind ${formatAddress({ host, port })}: ${error.message}`)),
    );
    socket.bind({ address: host, port }, resolve);
  });
  socket.on('error', () => {});
  return {
    host,
    port: socket.address().port,
    set: async (name, records) => {
      checkRecords(name, records);
      names.set(normalise(name), records);
    },
    delete: async (name) => {
      names.delete(normalise(name));
    },
    queries: async (name) => {
      if (name !== undefined) return counts.get(normalise(name)) ?? 0;
      return counts.values().reduce((sum, count) => sum + count, 0);
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
};

type DnsRequest = { set: string; records: DnsRecords } | { delete: string } | { queries: string | null };

/** Starts a DNS server on UDP, by default on a free port of 127.0.0.1; with `netns`, as a process in that namespace. */
export const startDnsServer = async (options: { listen?: string; netns?: string } = {}): Promise<DnsServer> => {
  const { listen = '127.0.0.1:0', netns } = options;
  const address = parseAddress(listen);
  if (isPath(address)) throw new Error(`a DNS server needs an IP address and a port, not ${listen}`);
  if (netns === undefined) return serve(address.host, address.port);
  const script = await startScript<{ host: string; port: number }>({
    file: import.meta.filename,
    args: ['--listen', listen],
    name: 'DNS server',
    netns,
  });
  const ask = (request: DnsRequest) => script.ask<{ count?: number }>(request);
  return {
    ...script.ready,
    set: async (name, records) => {
      checkRecords(name, records);
      await ask({ set: name, records });
    },
    delete: async (name) => {
      await ask({ delete: name });
    },
    queries: async (name) => (await ask({ queries: name ?? null })).count ?? 0,
    close: () => script.stop(),
  };
};

const answer = async (server: DnsServer, request: DnsRequest): Promise<{ count?: number }> => {
  if ('set' in request) await server.set(request.set, request.records);
  else if ('delete' in request) await server.delete(request.delete);
  else return { count: await server.queries(request.queries ?? undefined) };
  return {};
};

/** `node dns-server.ts --listen 127.0.0.1:0`: prints where it listens, then takes `DnsRequest` lines on stdin. */
const main = async (): Promise<void> => {
  const { values } = parseArgs({ options: { listen: { type: 'string', default: '127.0.0.1:0' } } });
  const server = await startDnsServer(values);
  console.log(JSON.stringify({ host: server.host, port: server.port }));
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(server, JSON.parse(line))));
  }
};

if (isScript(import.meta.filename)) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
