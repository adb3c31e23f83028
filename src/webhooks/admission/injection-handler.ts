import type { Registry } from 'prom-client';
import type { MeshConfig } from '../../mesh/mesh-config.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import {
  type AdmissionHandler,
  type AdmissionRequest,
  type AdmissionResponse,
  allowed,
  denied,
  errored,
  patched,
} from '../../runtime/webhook/admission.ts';
import type { InjectionConfig } from '../injector/config/injection-config.ts';
import type { InjectionRequest, InjectionResult } from '../injector/injection.ts';
import type { Pod } from '../injector/pod.ts';
import { askedFor } from './asked-for.ts';
import { createInjectionMetrics } from './injection-metrics.ts';
import { diffObjects } from './json-patch.ts';
import { limitReason, limitWarnings } from './limit-remarks.ts';
import { leaveOutside, outsidePolicy, type ParticipationOptions } from './participation.ts';

export interface InjectionHandlerOptions extends Pick<ParticipationOptions, 'namespaces' | 'readNamespace'> {
  /** The injector. */
  readonly inject: (request: InjectionRequest) => InjectionResult;
  /** In force at the moment of a request. */
  readonly config: () => InjectionConfig;
  readonly meshConfig: () => MeshConfig;
  readonly shapeBootstrap?: InjectionRequest['shapeBootstrap'];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

type Namespace = InjectionRequest['namespace'];

/**
 * Answers reviews of pods that are made: with the patch that injects the sidecar, with the reason why the pod must not be made, or as it is.
 * Has no effect outside of its answer, so a dry run is nothing special.
 */
export function createInjectionHandler(options: InjectionHandlerOptions): AdmissionHandler {
  const { clock, logger, registry, namespaces, readNamespace } = options;
  const metrics = createInjectionMetrics(registry);

  const decide = (pod: Pod, namespace: Namespace, path: string): InjectionResult => {
    const meshConfig = options.meshConfig();
    const result = options.inject({
      ...{ pod, namespace, config: askedFor(options.config(), path), meshConfig },
      ...(options.shapeBootstrap && { shapeBootstrap: options.shapeBootstrap }),
    });
    return leaveOutside(result, namespace, meshConfig);
  };

  /** A pod is only left out by what the API server says now: its webhook rules may know of a label that the watch has yet to bring. */
  const decideSurely = async (pod: Pod, name: string, path: string, signal: AbortSignal): Promise<InjectionResult> => {
    await namespaces.waitForSync(signal);
    const known = namespaces.get(name);
    const result = known && decide(pod, namespaceOf(known), path);
    if (result && result.outcome !== 'skipped') return result;
    const live = await readNamespace(name, signal);
    if (known && JSON.stringify(live?.metadata.labels) === JSON.stringify(known.metadata.labels)) return result!;
    return decide(pod, live ? namespaceOf(live) : { name }, path);
  };

  const answer = async (request: AdmissionRequest, path: string, signal: AbortSignal): Promise<AdmissionResponse> => {
    const { object, namespace = '' } = request;
    if (request.operation !== 'CREATE' || request.resource?.resource !== 'pods' || request.subResource) {
      metrics.skip.inc();
      return allowed();
    }
    if (!isPod(object) || namespace === '') {
      metrics.failure.inc();
      return errored(400, 'the review holds no pod with a spec and containers in a namespace');
    }
    const result = await decideSurely(object, namespace, path, signal);
    const about = { namespace, pod: request.name || object.metadata?.name || object.metadata?.generateName };
    switch (result.outcome) {
      case 'injected':
        metrics.success.inc();
        logger.info('A sidecar was injected', { ...about, dryRun: request.dryRun ?? false });
        return patched(diffObjects(object, result.pod), { warnings: limitWarnings(result.warnings, 'weft inject') });
      case 'skipped':
        metrics.skip.inc();
        logger.debug('A pod was left as it is', { ...about, policy: result.policy, reason: result.reason });
        return allowed({
          auditAnnotations: { 'injection-skipped': result.policy },
          ...(result.policy === outsidePolicy && { warnings: [`no sidecar: ${result.reason}`] }),
        });
      case 'refused':
        metrics.failure.inc();
        logger.warn('A pod was refused', { ...about, reason: result.message });
        return denied(limitReason(result.message));
    }
  };

  return async (request, { signal, path = '/inject' }) => {
    metrics.requests.inc();
    const startedMs = clock.monotonicMs();
    try {
      return await answer(request, path, signal);
    } catch (error) {
      metrics.failure.inc();
      throw error;
    } finally {
      metrics.seconds.observe((clock.monotonicMs() - startedMs) / 1000);
    }
  };
}

function namespaceOf({
  metadata,
}: {
  readonly metadata: { readonly name: string; readonly labels?: Namespace['labels'] };
}): Namespace {
  return { name: metadata.name, ...(metadata.labels && { labels: metadata.labels }) };
}

function isPod(object: unknown): object is Pod {
  return Array.isArray((object as { spec?: { containers?: unknown } } | null | undefined)?.spec?.containers);
}
