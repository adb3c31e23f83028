import { request } from 'node:http';
import { type Address, isPath } from './address.ts';

/** An answer of Envoy's admin page. */
export interface AdminAnswer {
  status: number;
  body: string;
}

/** Asks Envoy's admin page, over TCP or a unix socket. Rejects when there is no answer within 10 s. */
export const askAdmin = (address: Address, path: string, method: 'GET' | 'POST' = 'GET'): Promise<AdminAnswer> =>
  new Promise((resolve, reject) => {
    const where = isPath(address) ? { socketPath: address.path } : { host: address.host, port: address.port };
    const call = request({ ...where, path, method, agent: false, timeout: 10_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error(`Envoy's admin page did not answer ${path} within 10 s`)));
    call.on('error', reject);
    call.end();
  });

/** An address in the JSON of the admin page. */
interface AdminSocketAddress {
  socket_address?: { address: string; port_value: number };
  pipe?: { path: string };
}

/** The part of `/listeners?format=json` that is read here. */
export interface ListenersAnswer {
  listener_statuses?: { name: string; local_address: AdminSocketAddress; additional_local_addresses?: AdminSocketAddress[] }[];
}

const readAddress = ({ socket_address: socket, pipe }: AdminSocketAddress): Address =>
  socket ? { host: socket.address, port: socket.port_value } : { path: pipe?.path ?? '' };

/** The addresses a listener is bound to, its main one first; undefined when it is not active. */
export const listenerAddresses = (answer: ListenersAnswer, name: string): Address[] | undefined => {
  const listener = answer.listener_statuses?.find((status) => status.name === name);
  return listener && [listener.local_address, ...(listener.additional_local_addresses ?? [])].map(readAddress);
};

/** The numbers of `/stats?format=json` (histograms left out), by name. */
export const readStats = (json: string): Record<string, number> => {
  const { stats } = JSON.parse(json) as { stats: { name?: string; value?: number }[] };
  return Object.fromEntries(
    stats.flatMap(({ name, value }) => (name !== undefined && typeof value === 'number' ? [[name, value]] : [])),
  );
};
