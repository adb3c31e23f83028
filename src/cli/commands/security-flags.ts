import { type Command, Option } from 'commander';
import { defaultAuthorityTimes } from '../../authority/authority-times.ts';
import { webhookPort, xdsTlsPort } from '../default-ports.ts';
import { type HostPort, parseHostPort } from '../host-port.ts';
import { parseDuration } from './serve-options.ts';

/** What `weft operator` is told of TLS for proxies, of webhooks, and of the certificates behind them. */
export interface SecurityFlags {
  /** What the installation's objects are called after; absent: `weft`. */
  readonly name?: string;
  readonly secure: boolean;
  readonly xdsTlsBind: HostPort;
  readonly webhookBind: HostPort;
  readonly webhookClientCa?: string;
  readonly webhookConfiguration?: string;
  readonly service?: string;
  readonly certificateName?: readonly string[];
  readonly tokenAudience?: readonly string[];
  readonly injectionConfig?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  /** Milliseconds, as the two below. */
  readonly caLifetime: number;
  readonly certificateLifetime: number;
  readonly caOverlap: number;
}

/** Adds the flags of security; `parseBoolean` reads true and false of a flag. */
export function addSecurityOptions(command: Command, parseBoolean: (flag: string) => (text: string) => boolean): Command {
  const bind = (flag: string, use: string, fallback: string) =>
    new Option(`${flag} <host:port>`, use)
      .argParser((text) => parseHostPort(text, flag))
      .default(parseHostPort(fallback, flag), fallback);
  const duration = (flag: string, use: string, fallbackMs: number, allowsZero = false) =>
    new Option(`${flag} <duration>`, use)
      .argParser(parseDuration(flag, { allowsZero }))
      .default(fallbackMs, `${fallbackMs / 3_600_000}h`);
  const each = (value: string, before: readonly string[] = []) => [...before, value];
  const { caLifetimeMs, certificateLifetimeMs, caOverlapMs } = defaultAuthorityTimes;
  return command
    .option(
      '--secure [true|false]',
      'xDS over TLS, webhooks, and certificates for both; false: none of these',
      parseBoolean('--secure'),
      true,
    )
    .addOption(bind('--xds-tls-bind', 'where proxies connect over TLS, each with the token of its pod', `:${xdsTlsPort}`))
    .addOption(bind('--webhook-bind', 'where the API server asks webhooks', `:${webhookPort}`))
    .option('--webhook-client-ca <file>', 'CA of API servers: webhooks answer nobody else; default: whoever reaches the port')
    .option('--webhook-configuration <name>', 'webhook configurations whose caBundle is kept; default: as --name')
    .option('--service <name>', 'Service by which the operator is reached: a name of its certificate; default: as --name')
    .option('--certificate-name <name>', 'another DNS name or IP address of its certificate; repeatable', each)
    .option('--token-audience <audience>', 'whom tokens of proxies may be for besides what is injected; repeatable', each)
    .option('--injection-config <file>', 'how pods are injected, as for weft inject --values; read again when it changes')
    .option('--tls-cert <file>', 'certificate in place of one of Weft’s own, with --tls-key and --tls-ca')
    .option('--tls-key <file>', 'its key')
    .option('--tls-ca <file>', 'the CA that it is of, for pods and webhooks')
    .addOption(duration('--ca-lifetime', 'of an authority of Weft’s own', caLifetimeMs))
    .addOption(duration('--certificate-lifetime', 'of a certificate of Weft’s own', certificateLifetimeMs))
    .addOption(
      duration(
        '--ca-overlap',
        'how long a new authority is trusted before it is used, and an old one afterwards; that of --tls-ca too',
        caOverlapMs,
        true,
      ),
    );
}
