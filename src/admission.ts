import { workloadEntryKind } from './api/index.ts';
import { namespaceKind } from './api/kubernetes/namespace.ts';
import { podKind } from './api/kubernetes/pod.ts';
import type { Authority } from './authority/authority.ts';
import type { Mesh } from './mesh/mesh.ts';
import type { BindAddress } from './runtime/manager/http-listener.ts';
import type { Manager } from './runtime/manager/manager.ts';
import { WebhookServer } from './runtime/webhook/server.ts';
import { certified } from './trust.ts';
import { createInjectionHandler, type InjectionHandlerOptions } from './webhooks/admission/injection-handler.ts';
import { type ParticipationOptions, participation } from './webhooks/admission/participation.ts';
import { meshSurroundings } from './webhooks/validator/mesh-surroundings.ts';
import { createValidationHandler } from './webhooks/validator/validation-handler.ts';

/**
 * The largest body of a review. The API server itself takes 3 MiB of JSON, and an update carries the old and the new object.
 */
const maxBodyBytes = 6.5 * 1024 * 1024;

export interface AdmissionOptions extends Pick<InjectionHandlerOptions, 'inject' | 'config' | 'shapeBootstrap'> {
  readonly bind: BindAddress;
  /** A CA in PEM: only clients with a certificate of it are answered. Default: whoever reaches the port is. */
  readonly clientCa?: string;
  /** Awaited before the first review is taken. */
  readonly prepare: (signal: AbortSignal) => Promise<void>;
}

/** Gives the manager the webhook server: `/inject` and below, `/validate`. It opens when there is a certificate to show. */
export function addAdmission(manager: Manager, mesh: Mesh, authority: Authority, options: AdmissionOptions): WebhookServer {
  const { cache, client, clock, logger, registry } = manager;
  const { bind, clientCa, prepare, ...injection } = options;
  const server = new WebhookServer({
    ...{ certificates: authority.certificates, bind, maxBodyBytes, clock, logger, registry },
    ...(clientCa !== undefined && { clientCa }),
  });
  const known: ParticipationOptions = {
    meshConfig: () => mesh.config,
    namespaces: cache.store(namespaceKind),
    readNamespace: (name, signal) => client.getLive(namespaceKind, name, { signal }),
  };
  const inject = createInjectionHandler({ ...injection, ...known, meshConfig: () => mesh.config, clock, logger, registry });
  server.register('/inject', inject);
  // Istio's webhook configurations carry variables in the path: /inject/cluster/CLUSTER/net/NETWORK.
  server.register('/inject/*', inject);
  const [pods, workloadEntries] = [cache.store(podKind), cache.store(workloadEntryKind)];
  server.register('/validate', createValidationHandler(meshSurroundings({ mesh, pods, workloadEntries }), participation(known)));
  manager.add({
    name: server.name,
    // Ends last: the API server goes on asking until it has heard that this replica is gone.
    group: 'server',
    async start(signal) {
      await Promise.all([certified(authority, signal), prepare(signal)]);
      if (!signal.aborted) await server.start(signal);
    },
  });
  manager.addReadyzCheck('webhooks', server.startedCheck);
  return server;
}
