import { readFileSync } from 'node:fs';
import type { Replication, ReplicationTls } from '../../leader-duties.ts';
import { isLoopback, plaintextRefusal } from '../../status/replication/connect-to-leader.ts';
import { formatAddress } from '../../xds/bind-address.ts';
import type { OperatorFlags } from './operator-flags.ts';
import { serviceOf } from './read-security.ts';

/**
 * How this replica and the others reach each other: by the pod's address, or where a single host was bound, by that. Empty where
 * nobody leads or no port was asked for. Throws for flags that do not fit together.
 * @param podIp the pod's own address, if it is known
 */
export function readReplication(
  flags: OperatorFlags,
  namespace: string,
  podIp = process.env.POD_IP,
): { replication?: Replication } {
  const { leaderElect, replicaBind: bind, replicaAllowPlaintext: allowPlaintext = false } = flags;
  if (!leaderElect || !bind) return {};
  const credential = readCredential(flags);
  if (bind.port === 0) throw new Error('--replica-bind: the other replicas have to know the port; 0 takes any');
  const tls = readTls(flags, namespace);
  const host = podIp ?? bind.host;
  if (!tls && !allowPlaintext && !isLoopback(host)) throw new Error(`--replica-bind: ${plaintextRefusal}`);
  return { replication: { bind, credential, allowPlaintext, advertised: formatAddress(host, bind.port), ...(tls && { tls }) } };
}

function readCredential({ replicaTokenFile, replicaIdentityTokenFile }: OperatorFlags): Replication['credential'] {
  if (replicaIdentityTokenFile !== undefined && replicaTokenFile !== undefined)
    throw new Error('--replica-identity-token-file and --replica-token-file: give one of them');
  if (replicaIdentityTokenFile !== undefined) return { type: 'pod', file: replicaIdentityTokenFile };
  if (replicaTokenFile === undefined)
    throw new Error(
      '--replica-bind needs --replica-identity-token-file or --replica-token-file: whoever may connect is believed',
    );
  const token = readFileSync(replicaTokenFile, 'utf8').trim();
  if (token === '') throw new Error(`--replica-token-file ${replicaTokenFile}: the file is empty`);
  return { type: 'shared', token };
}

/** Without files of their own, replicas show each other what they show to proxies. */
function readTls(flags: OperatorFlags, namespace: string): ReplicationTls | undefined {
  const { replicaTlsCert: certificateFile, replicaTlsKey: keyFile, replicaTlsCa: caFile, replicaTlsServerName } = flags;
  if (!certificateFile && !keyFile && !caFile) {
    if (replicaTlsServerName)
      throw new Error('--replica-tls-server-name needs --replica-tls-cert, --replica-tls-key and --replica-tls-ca');
    return flags.secure ? { type: 'authority', serverName: `${serviceOf(flags)}.${namespace}.svc` } : undefined;
  }
  if (!certificateFile || !keyFile || !caFile)
    throw new Error(
      '--replica-tls-cert, --replica-tls-key and --replica-tls-ca belong together: a replica leads or follows at any time',
    );
  return { type: 'files', certificateFile, keyFile, caFile, ...(replicaTlsServerName && { serverName: replicaTlsServerName }) };
}
