/** Everything that an operator written with this runtime uses. `docs/runtime.md` introduces it. */
export {
  type BuiltControllerOptions,
  ControllerBuilder,
  type ControllerHost,
  controllerManagedBy,
  type OwnsOptions,
} from './builder.ts';
export { Cache } from './cache/cache.ts';
export { informerSource } from './cache/informer-source.ts';
export { type LabelSelector, type LabelSelectorRequirement, matchesSelector } from './cache/label-selector.ts';
export type { IndexFunction } from './cache/object-index.ts';
export { type ListOptions, ObjectStore } from './cache/object-store.ts';
export { Reflector } from './cache/reflector.ts';
export type { ReflectedKind, ReflectorOptions, ReflectorStatus, ReflectorTimes } from './cache/reflector-options.ts';
export {
  ApiError,
  ConnectionError,
  ignoreNotFound,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isInvalid,
  isNamespaceTerminating,
  isNotFound,
  isTooManyRequests,
  lacksPermission,
} from './client/api-error.ts';
export * from './client/client.ts';
export type { JsonPatchOperation, Patch } from './client/patch.ts';
export { RestClient, type RestClientOptions, type RestRequest, type RestStream } from './client/rest-client.ts';
export { type Clock, systemClock } from './clock.ts';
export { Controller, type ControllerOptions } from './controller.ts';
export type { Event } from './event.ts';
export * from './event-handler.ts';
export { EventRecorder, type EventRecorderOptions } from './events/event-recorder.ts';
export { eventKind, type Occurrence, type RecordedEvent } from './events/recorded-event.ts';
export * from './finalizer.ts';
export { clientLeaseApi } from './leader-election/client-lease-api.ts';
export * from './leader-election/leader-elector.ts';
export { type Lease, type LeaseApi, type LeaseSpec, leaseKind } from './leader-election/lease.ts';
export { createLogger, type LogFields, type Logger, type LoggerOptions, type LogLevel, silentLogger } from './logger.ts';
export { eachTerm } from './manager/each-term.ts';
export { type HealthCheck, ping } from './manager/health-checks.ts';
export type { BindAddress, HttpAnswer, HttpAnswerer } from './manager/http-listener.ts';
export { loadKubeConfig } from './manager/kube-config.ts';
export { Manager } from './manager/manager.ts';
export type { LeaderElectionOptions, ManagerOptions } from './manager/manager-options.ts';
export { setupSignalHandler } from './manager/signals.ts';
export * from './object.ts';
export * from './owner-reference.ts';
export * from './predicate.ts';
export * from './queue/rate-limiter.ts';
export * from './queue/work-queue.ts';
export * from './reconciler.ts';
export type { ResourceKind } from './resource-kind.ts';
export type { Runnable, RunnableGroupName } from './runnable.ts';
export type { EventListener, Source } from './source.ts';
export * from './webhook/admission.ts';
export { CertWatcher, type CertWatcherOptions } from './webhook/cert-watcher.ts';
export { type CertificateSource, CertificateValue, type ServingCertificate } from './webhook/certificates.ts';
export { WebhookServer, type WebhookServerOptions } from './webhook/server.ts';
