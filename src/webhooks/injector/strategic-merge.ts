/** How the lists of a pod are merged, as Kubernetes' types say it: by this field of their entries, or as wholes where none is named. */
interface ListRules {
  readonly [field: string]: ListRule;
}

interface ListRule {
  /** The field that two entries of one have in common; absent for a map, whose fields follow. */
  readonly key?: string;
  /** Fields of which Kubernetes allows one: one of the overlay's drops the others. `*`: all but the key. */
  readonly oneOf?: readonly string[] | '*';
  /** True for a list of texts that are added to each other. */
  readonly isSet?: boolean;
  readonly fields?: ListRules;
}

const handler: ListRule = { oneOf: ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'], fields: {} };

const container: ListRule = {
  key: 'name',
  fields: {
    env: { key: 'name', oneOf: '*' },
    ports: { key: 'containerPort' },
    volumeMounts: { key: 'mountPath' },
    volumeDevices: { key: 'devicePath' },
    resources: { fields: { claims: { key: 'name' } } },
    lifecycle: { fields: { preStop: handler, postStart: handler } },
    readinessProbe: handler,
    livenessProbe: handler,
    startupProbe: handler,
  },
};

/** patchMergeKey and patchStrategy of core/v1's Pod. */
const podRules: ListRules = {
  metadata: { fields: { ownerReferences: { key: 'uid' }, finalizers: { isSet: true } } },
  spec: {
    fields: {
      containers: container,
      initContainers: container,
      ephemeralContainers: container,
      volumes: { key: 'name', oneOf: '*' },
      imagePullSecrets: { key: 'name' },
      hostAliases: { key: 'ip' },
      topologySpreadConstraints: { key: 'topologyKey' },
      resourceClaims: { key: 'name' },
      schedulingGates: { key: 'name' },
      securityContext: { fields: {} },
    },
  },
};

type JsonMap = Record<string, unknown>;

/**
 * Lays a piece of a pod over a pod: Kubernetes' strategic merge patch. Maps are merged, `null` removes a field, lists whose entries
 * have a key are merged by it (new entries at the end), other lists are replaced. `$patch: replace` and `$patch: delete` are
 * honoured in maps and in entries of lists. Where Kubernetes allows one of several fields, the overlay's takes the others' place; its own
 * merge leaves both, and a pod that no API server takes. Neither argument is changed.
 */
export function mergePod<Base extends object>(pod: Base, overlay: object): Base {
  return mergeMap(pod as JsonMap, overlay as JsonMap, { fields: podRules }) as Base;
}

/** {@link mergePod} for one container. */
export function mergeContainer<Base extends object>(base: Base, overlay: object): Base {
  return mergeMap(base as JsonMap, overlay as JsonMap, container) as Base;
}

function mergeMap(base: JsonMap, overlay: JsonMap, { key, oneOf, fields = {} }: ListRule): JsonMap {
  const { $patch, ...content } = overlay;
  if ($patch === 'delete') return {};
  if ($patch === 'replace') return content;
  const merged: JsonMap = { ...base };
  const alternatives = oneOf === '*' ? Object.keys(base).filter((field) => field !== key) : (oneOf ?? []);
  const chosen = oneOf === '*' ? Object.keys(content).filter((field) => field !== key) : alternatives;
  const isChosen = chosen.some((field) => content[field] !== undefined && content[field] !== null);
  for (const field of isChosen ? alternatives : []) if (!(field in content)) delete merged[field];
  for (const [field, value] of Object.entries(content)) {
    if (value === null) delete merged[field];
    else merged[field] = mergeValue(merged[field], value, fields[field]);
  }
  return merged;
}

function mergeValue(base: unknown, overlay: unknown, rule: ListRule = {}): unknown {
  if (isMap(overlay)) return mergeMap(isMap(base) ? base : {}, overlay, rule);
  if (!Array.isArray(overlay)) return overlay;
  const list = Array.isArray(base) ? base : [];
  if (rule.isSet) return [...new Set([...list, ...overlay])];
  return rule.key === undefined ? overlay : mergeList(list, overlay, rule.key, rule);
}

function mergeList(base: readonly unknown[], overlay: readonly unknown[], key: string, rule: ListRule): unknown[] {
  const isReplaced = overlay.some((entry) => isMap(entry) && entry.$patch === 'replace' && !(key in entry));
  const merged = isReplaced ? [] : [...base];
  for (const entry of overlay) {
    if (!isMap(entry) || !(key in entry)) continue;
    const at = merged.findIndex((other) => isMap(other) && other[key] === entry[key]);
    if (entry.$patch === 'delete') {
      if (at >= 0) merged.splice(at, 1);
    } else if (at < 0) merged.push(mergeMap({}, entry, rule));
    else merged[at] = mergeMap(merged[at] as JsonMap, entry, rule);
  }
  return merged;
}

function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
