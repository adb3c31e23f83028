import { create } from '@bufbuild/protobuf';
import { type TransportSocket, TransportSocketSchema } from '../../envoy/gen/envoy/config/core/v3/base_pb.js';
import {
  TlsParameters_TlsProtocol as TlsProtocol,
  CertificateValidationContext_TrustChainVerification as TrustChainVerification,
} from '../../envoy/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { DownstreamTlsContextSchema } from '../../envoy/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { ServerTls, TlsVersion } from '../../mesh/server-tls.ts';
import { pack } from '../messages.ts';

/**
 * TLS that ends at a listener. Envoy reads the files when it takes the listener in, and refuses the listener where one is missing:
 * there is no agent beside it that would serve them (docs/adr/0017).
 */
export function buildDownstreamTls(tls: ServerTls): TransportSocket {
  const { clients, minVersion, maxVersion, cipherSuites } = tls;
  const hasParameters = minVersion !== undefined || maxVersion !== undefined || cipherSuites.length > 0;
  return create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig',
      value: pack(DownstreamTlsContextSchema, {
        requireClientCertificate: clients?.areRequired ?? false,
        commonTlsContext: {
          alpnProtocols: ['h2', 'http/1.1'],
          tlsCertificates: [{ certificateChain: file(tls.serverCertificate), privateKey: file(tls.privateKey) }],
          ...(hasParameters
            ? {
                tlsParams: {
                  tlsMinimumProtocolVersion: minVersion ? versions[minVersion] : TlsProtocol.TLS_AUTO,
                  tlsMaximumProtocolVersion: maxVersion ? versions[maxVersion] : TlsProtocol.TLS_AUTO,
                  cipherSuites: [...cipherSuites],
                },
              }
            : {}),
          ...(clients ? { validationContextType: { case: 'validationContext', value: validationOf(clients) } } : {}),
        },
      }),
    },
  });
}

const versions: Record<TlsVersion, TlsProtocol> = {
  TLSV1_0: TlsProtocol.TLSv1_0,
  TLSV1_1: TlsProtocol.TLSv1_1,
  TLSV1_2: TlsProtocol.TLSv1_2,
  TLSV1_3: TlsProtocol.TLSv1_3,
};

function validationOf(clients: NonNullable<ServerTls['clients']>) {
  return {
    trustedCa: file(clients.caCertificates),
    ...(clients.caCrl === undefined ? {} : { crl: file(clients.caCrl) }),
    verifyCertificateSpki: [...clients.spkiHashes],
    verifyCertificateHash: [...clients.certificateHashes],
    ...(clients.acceptsUntrusted ? { trustChainVerification: TrustChainVerification.ACCEPT_UNTRUSTED } : {}),
  };
}

function file(filename: string) {
  return { specifier: { case: 'filename' as const, value: filename } };
}
