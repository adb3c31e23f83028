import Type from 'typebox';
import type { Place } from '../../../api/finding.ts';
import { mapOf, record } from '../../../api/schema-term.ts';
import { compileStructure } from '../../../api/structure.ts';
import { imageProblem } from '../annotations/image-reference.ts';
import { defaultInjectionConfig } from './injection-config.ts';

/** Where the chart is installed, unless it is said. */
export const defaultReleaseNamespace = 'weft-system';

/** Values of the chart that an injection configuration has too, so that they do not tell which of the two a file is. */
const sharedValues = ['revision', 'revisionTags', 'imagePullSecrets', 'xds'];

/** Values that only the chart has: helm/weft/values.yaml. A test holds them together. */
const chartValues = `
affinity certificates commonLabels crds dashboard drainSeconds env envoyFilters extraArgs global image initImage injection log meshConfig
networkPolicy nodeSelector podAnnotations podDisruptionBudget podLabels podSecurityContext priorityClassName replicas resources service
serviceAccount serviceMonitor status terminationGracePeriodSeconds tolerations topologySpreadConstraints uninstall webhooks
`
  .trim()
  .split(/\s+/);

/** Every value that the chart has. */
export const knownChartValues: readonly string[] = [...sharedValues, ...chartValues];

const text = Type.Optional(Type.String({ nullable: true }));

/** The values that the injection configuration of a release is made from. */
const checkStructure = compileStructure(
  record({
    revision: text,
    revisionTags: Type.Optional(Type.Array(Type.String(), { nullable: true })),
    initImage: Type.Optional(record({ repository: text, tag: text, digest: text }, { nullable: true })),
    injection: Type.Optional(mapOf(Type.Unknown(), { nullable: true })),
  }),
);

/** Of the chart's values, those that go into names; `null` is as nothing. */
interface Names {
  readonly revision?: string | null;
  readonly revisionTags?: readonly string[] | null;
  readonly initImage?: {
    readonly repository?: string | null;
    readonly tag?: string | null;
    readonly digest?: string | null;
  } | null;
}

/** Whether a file's content is the chart's values rather than an injection configuration itself. */
export function isOfChart(content: Readonly<Record<string, unknown>>): boolean {
  return chartValues.some((name) => Object.hasOwn(content, name));
}

/** Reports values that the chart does not have, and those of a wrong form that {@link namesOfRelease} reads. */
export function checkChartValues(values: Readonly<Record<string, unknown>>, root: Place): void {
  const { revision, revisionTags, initImage, injection } = values;
  checkStructure({ revision, revisionTags, initImage, injection }, root);
  if (isImage(initImage)) root.at('initImage').error(imageProblem(imageOf(initImage)));
  for (const name of Object.keys(values))
    if (!knownChartValues.includes(name)) root.at(name).warning('the chart has no such value, it has no effect');
}

/**
 * What an injection configuration says of a release where the values under `injection` say nothing: what the chart's templates compute for
 * its ConfigMap (helm/weft/templates/configmap.yaml), with which a test compares it.
 * @param values the chart's values, checked, or some of them: the rest is the chart's defaults
 * @param namespace of the release
 */
export function namesOfRelease(values: Readonly<Record<string, unknown>>, namespace: string): object {
  const { revision, revisionTags, initImage } = values as Names;
  const name = revision && revision !== 'default' ? `weft-${revision}` : 'weft';
  return {
    revision: revision || 'default',
    revisionTags: (revisionTags ?? []).filter(Boolean),
    init: { image: imageOf(initImage ?? {}) },
    xds: { address: `${name}.${namespace}.svc:15012`, caConfigMap: `${name}-ca-root-cert` },
  };
}

function isImage(value: unknown): value is NonNullable<Names['initImage']> {
  const isMap = typeof value === 'object' && value !== null;
  return isMap && Object.values(value).every((part) => part === null || typeof part === 'string');
}

/** The chart's version is the tag of its images, and of the default one. */
function imageOf({ repository, tag, digest }: NonNullable<Names['initImage']>): string {
  const [ownRepository, version] = defaultInjectionConfig.init.image.split(':');
  const name = repository || ownRepository;
  return digest ? `${name}@${digest}` : `${name}:${tag || version}`;
}
