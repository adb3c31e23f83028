import { readFileSync } from 'node:fs';
import type { AuthorityTimes } from '../../authority/authority-times.ts';
import { certificatesIn } from '../../authority/succession.ts';
import { namesOf } from '../../installation-names.ts';
import type { SecurityOptions } from '../../security.ts';
import { CommandError } from '../command-error.ts';
import { loadInjectionConfig } from '../load-injection-config.ts';
import type { SecurityFlags } from './security-flags.ts';

/**
 * What the flags of security say; undefined: it is switched off. Throws a {@link CommandError} for what does not go together.
 * @param warn told of what in the injection configuration has no effect
 */
export function readSecurity(
  flags: SecurityFlags,
  namespace: string,
  warn: (problem: string) => void,
): SecurityOptions | undefined {
  if (!flags.secure) return undefined;
  const { xdsTlsBind: xdsBind, webhookBind, tokenAudience } = flags;
  const names = namesOf(flags.name);
  const { config: injection, file: injectionFile } = loadInjectionConfig(flags.injectionConfig, {
    flag: '--injection-config',
    ...{ warn, namespace },
  });
  const { xds, clusterDomain } = injection;
  return {
    ...{ xdsBind, webhookBind, injection },
    ...(injectionFile && { injectionFile }),
    ...(flags.webhookClientCa !== undefined && { webhookClientCa: readCa(flags.webhookClientCa) }),
    tokenAudiences: tokenAudience ?? [xds.tokenAudience],
    trust: {
      issuer: readIssuer(flags, names.authoritySecret, dnsNamesOf(flags, namespace, clusterDomain)),
      webhookConfiguration: flags.webhookConfiguration ?? names.webhookConfiguration,
      rootConfigMap: { name: xds.caConfigMap, key: xds.caKey },
    },
  };
}

/** A CA that cannot be read must not let everybody in. */
function readCa(file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    certificatesIn(text);
    return text;
  } catch (cause) {
    throw new CommandError(`--webhook-client-ca ${file}: ${(cause as Error).message}`, 1, cause);
  }
}

function readIssuer(flags: SecurityFlags, secretName: string, names: readonly string[]): SecurityOptions['trust']['issuer'] {
  const { tlsCert: certificate, tlsKey: key, tlsCa: ca } = flags;
  if (certificate !== undefined && key !== undefined && ca !== undefined)
    return { type: 'files', files: { certificate, key, ca }, overlapMs: flags.caOverlap };
  if (certificate !== undefined || key !== undefined || ca !== undefined)
    throw new CommandError('--tls-cert, --tls-key and --tls-ca go together: give all three, or none');
  return { type: 'secret', secretName, times: readTimes(flags), names };
}

function readTimes({ caLifetime, certificateLifetime, caOverlap }: SecurityFlags): AuthorityTimes {
  if (certificateLifetime >= caLifetime) throw new CommandError('--certificate-lifetime must be shorter than --ca-lifetime');
  // A third of its time is left when an authority's successor is made.
  if (caOverlap * 3 >= caLifetime) throw new CommandError('--ca-overlap must be shorter than a third of --ca-lifetime');
  return { caLifetimeMs: caLifetime, certificateLifetimeMs: certificateLifetime, caOverlapMs: caOverlap };
}

/** How proxies and the API server may call the operator. */
function dnsNamesOf(flags: SecurityFlags, namespace: string, clusterDomain: string): string[] {
  const { certificateName = [] } = flags;
  const service = serviceOf(flags);
  const inCluster = `${service}.${namespace}.svc`;
  return [service, `${service}.${namespace}`, inCluster, `${inCluster}.${clusterDomain}`, ...certificateName];
}

/** The Service by which the operator is reached. */
export function serviceOf({ service, name }: Pick<SecurityFlags, 'service' | 'name'>): string {
  return service ?? namesOf(name).service;
}
