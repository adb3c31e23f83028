import { isIP } from 'node:net';
import type { InjectionConfig } from '../config/injection-config.ts';
import type { JsonMap } from '../injection.ts';
import { extension, typed, typedLoosely } from './messages.ts';

/** Where the sidecar finds what proves who it is, and who the control plane is. Istio's places. */
export const tokenDirectory = '/var/run/secrets/tokens';
export const tokenFile = 'istio-token';
export const caDirectory = '/var/run/secrets/istio';

/** Where the files of {@link secretFiles} are mounted. */
export const secretsDirectory = '/etc/istio/proxy';

const tokenSecret = 'control-plane-token';
const caSecret = 'control-plane-ca';

/**
 * Files that tell Envoy to read the token and the CA from where Kubernetes mounts them, and to read them again when they are replaced:
 * Envoy follows a file only for a secret that comes from a file itself. Nothing in them is secret.
 */
export function secretFiles({ xds }: InjectionConfig, address: string): Readonly<Record<string, JsonMap>> {
  const name = serverNameOf(xds, address);
  const response = (secret: JsonMap): JsonMap => ({
    resources: [typed('envoy.extensions.transport_sockets.tls.v3.Secret', secret)],
  });
  return {
    'sds-token.json': response({
      name: tokenSecret,
      generic_secret: { secret: { filename: `${tokenDirectory}/${tokenFile}`, watched_directory: { path: tokenDirectory } } },
    }),
    'sds-ca.json': response({
      name: caSecret,
      validation_context: {
        trusted_ca: { filename: `${caDirectory}/${xds.caKey}` },
        watched_directory: { path: caDirectory },
        match_typed_subject_alt_names: [{ san_type: isIP(name) ? 'IP_ADDRESS' : 'DNS', matcher: { exact: name } }],
      },
    }),
  };
}

/** The name that the control plane at an address must prove to bear. */
function serverNameOf({ serverName }: InjectionConfig['xds'], address: string): string {
  return serverName || splitAddress(address).host;
}

/** HOST:PORT or [IPv6]:PORT in two. */
export function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(at + 1)) };
}

const secretConfig = (name: string, file: string): JsonMap => ({
  name,
  sds_config: {
    resource_api_version: 'V3',
    path_config_source: { path: `${secretsDirectory}/${file}`, watched_directory: { path: secretsDirectory } },
  },
});

/** The control plane's cluster speaks TLS, and knows it by its CA. */
export function controlPlaneTls({ xds }: InjectionConfig, address: string): JsonMap {
  const name = serverNameOf(xds, address);
  return extension('envoy.transport_sockets.tls', 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    ...(!isIP(name) && { sni: name }),
    common_tls_context: {
      alpn_protocols: ['h2'],
      tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
      validation_context_sds_secret_config: secretConfig(caSecret, 'sds-ca.json'),
    },
  });
}

/** The filters of the control plane's cluster: each stream carries the token as it is when the stream begins. */
export function controlPlaneFilters(): JsonMap[] {
  return [
    extension(
      'envoy.filters.http.credential_injector',
      'envoy.extensions.filters.http.credential_injector.v3.CredentialInjector',
      {
        credential: {
          name: 'envoy.http.injected_credentials.generic',
          typed_config: typedLoosely('envoy.extensions.http.injected_credentials.generic.v3.Generic', {
            credential: secretConfig(tokenSecret, 'sds-token.json'),
            header_value_prefix: 'Bearer ',
          }),
        },
        overwrite: true,
        // Without a token nothing is asked: the control plane would only refuse.
        allow_request_without_credential: false,
      },
    ),
    extension('envoy.filters.http.upstream_codec', 'envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec'),
  ];
}
