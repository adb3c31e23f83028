import { type AdmissionOptions, addAdmission } from './admission.ts';
import { namespaceKind } from './api/kubernetes/namespace.ts';
import { podKind } from './api/kubernetes/pod.ts';
import type { Authority } from './authority/authority.ts';
import type { ControlPlane } from './control-plane.ts';
import { InjectionInForce } from './injection-in-force.ts';
import type { BindAddress } from './runtime/manager/http-listener.ts';
import type { Manager } from './runtime/manager/manager.ts';
import { bootstrapShaper } from './shape-bootstrap.ts';
import { FileFollower } from './sources/file/file-follower.ts';
import { addTrust, certified, type TrustOptions } from './trust.ts';
import { ClusterFeatures } from './webhooks/admission/cluster-features.ts';
import { InjectedNamespaces } from './webhooks/admission/injected-namespaces.ts';
import type { InjectionConfig } from './webhooks/injector/config/injection-config.ts';
import { readInjectionConfig } from './webhooks/injector/config/read-injection-config.ts';
import { injectPod } from './webhooks/injector/inject-pod.ts';
import { ProxyAuthenticator } from './xds/auth/proxy-authenticator.ts';
import { TokenReviewer } from './xds/auth/token-reviewer.ts';
import { TlsCredentials } from './xds/tls-credentials.ts';
import type { XdsPort } from './xds/xds-runnable.ts';

/** What a control plane in a cluster offers to those who have to trust it: xDS over TLS, and webhooks. */
export interface SecurityOptions {
  /** Where proxies connect over TLS, each with the token of its pod. */
  readonly xdsBind: { readonly host: string; readonly port: number };
  /** Whom a proxy's token must be issued for: one of these, or what is injected. */
  readonly tokenAudiences: readonly string[];
  readonly webhookBind: BindAddress;
  /** A CA in PEM: webhooks answer only clients with a certificate of it. Default: whoever reaches the port. */
  readonly webhookClientCa?: string;
  readonly trust: TrustOptions;
  /** In force until the file of `injectionFile` says otherwise. */
  readonly injection: InjectionConfig;
  /** Followed at run time. Absent: `injection` holds for good. */
  readonly injectionFile?: { readonly path: string; readonly text: string };
  /** The injector. Default: Weft's. */
  readonly inject?: AdmissionOptions['inject'];
}

/** What {@link addSecurity} made. */
export interface Security {
  /** For the xDS server to open. */
  readonly port: XdsPort;
  readonly authority: Authority;
  /** Has API servers leave, as {@link WebhookServer.drain}. */
  drain(): void;
  /** Where webhooks answer, as bound; undefined until they do. */
  readonly webhookAddress: string | undefined;
}

/** Gives the manager all that security needs: the authority, the webhook server, and who authenticates proxies. */
export function addSecurity(manager: Manager, plane: ControlPlane, namespace: string, options: SecurityOptions): Security {
  const { cache, rest, clock, logger, registry } = manager;
  const { injectionFile, xdsBind } = options;
  const injection = new InjectionInForce(options.injection, options.tokenAudiences);
  if (injectionFile) {
    const { path: file, text } = injectionFile;
    const onChange = (next: string) => {
      const { config, errors, warnings } = readInjectionConfig(next, file, namespace);
      for (const problem of warnings) logger.warn('Injection configuration', { problem });
      for (const problem of errors)
        logger.error('The injection configuration cannot be used; the last good one stays in force', { problem });
      if (errors.length) return;
      for (const problem of injection.take(config)) logger.warn('Injection configuration', { problem });
      logger.info('The injection configuration has changed', { file });
    };
    manager.add(new FileFollower({ file, text, onChange, clock, logger }));
  }
  const config = () => injection.current;
  const features = new ClusterFeatures({ rest, clock, logger });
  const [namespaces, pods] = [cache.store(namespaceKind), cache.store(podKind)];
  const takesPart = (name: string) => plane.namespaces?.includes(name) ?? true;

  const injected = new InjectedNamespaces({ namespaces, pods, config, takesPart });
  const authority = addTrust(manager, namespace, options.trust, injected);
  const { inject = injectPod, webhookBind: bind, webhookClientCa: clientCa } = options;
  const webhooks = addAdmission(manager, plane.mesh, authority, {
    ...(clientCa !== undefined && { clientCa }),
    ...{
      bind,
      inject,
      config: () => features.apply(injection.current),
      prepare: (signal) => features.detect(signal),
    },
    shapeBootstrap: bootstrapShaper(plane.podFilters, logger),
  });
  const reviewer = new TokenReviewer({
    ...{ rest, clock },
    get audiences() {
      return injection.audiences;
    },
  });
  const { authenticate } = new ProxyAuthenticator({ reviewer, pods, includes: takesPart, clock, logger, registry });
  return {
    authority,
    drain: () => webhooks.drain(),
    port: {
      ...xdsBind,
      options: async (signal) => ({ credentials: new TlsCredentials(await certified(authority, signal)), authenticate }),
    },
    get webhookAddress() {
      return webhooks.address;
    },
  };
}
