import Type from 'typebox';
import { record, stringEnum } from './schema-term.ts';

/** Condition types of every mesh resource; what each means is told in docs/reference/status.md. */
export const conditionTypes = ['Accepted', 'ResolvedRefs', 'Programmed', 'Ready', 'Reconciling', 'Stalled'] as const;

/** The type of a condition that Weft writes. */
export type ConditionType = (typeof conditionTypes)[number];

const timestamp = (description: string) => Type.String({ format: 'date-time', description });
const count = (description: string) => Type.Integer({ minimum: 0, format: 'int32', description });

/** Kubernetes' `metav1.Condition`. */
export const conditionSchema = record({
  type: Type.String({ maxLength: 316, description: 'What the condition is about, such as Ready.' }),
  status: stringEnum(['True', 'False', 'Unknown'], { description: 'Whether the condition holds.' }),
  reason: Type.Optional(Type.String({ maxLength: 1024, description: 'One word for why, meant for programs.' })),
  message: Type.Optional(Type.String({ maxLength: 32_768, description: 'Why, in a sentence, meant for people.' })),
  observedGeneration: Type.Optional(
    Type.Integer({ format: 'int64', description: 'The metadata.generation that the condition was computed from.' }),
  ),
  lastTransitionTime: Type.Optional(timestamp('When status last changed.')),
});

const rejectionSchema = record({
  typeUrl: Type.String({ description: "The xDS type of the refused resource, such as a cluster's." }),
  resource: Type.Optional(Type.String({ description: 'The name of the refused resource, where the proxy named it.' })),
  proxies: count('How many proxies refused it.'),
  exampleProxy: Type.Optional(Type.String({ description: 'One of them, as namespace/pod.' })),
  message: Type.String({ maxLength: 512, description: "The proxy's own words, cut at 512 characters." }),
  lastSeen: Type.Optional(timestamp('When a proxy last refused it.')),
});

const propagationSchema = record(
  {
    generation: Type.Integer({ format: 'int64', description: 'The metadata.generation that the counts are about.' }),
    summary: Type.String({ description: 'The counts in one line, such as "117/120 acked, 1 rejected".' }),
    affected: count('Connected proxies whose configuration derives from this object.'),
    acked: count('Affected proxies that have acknowledged this generation or a later one.'),
    rejected: count('Affected proxies that have refused it.'),
    pending: count('Affected proxies that have not answered yet.'),
    startedAt: Type.Optional(timestamp('When this generation was first sent.')),
    completedAt: Type.Optional(timestamp('When the last affected proxy acknowledged it; absent until then.')),
    rejections: Type.Optional(
      Type.Array(rejectionSchema, { maxItems: 5, description: 'What was refused and why, at most five.' }),
    ),
    laggards: Type.Optional(
      Type.Array(Type.String(), {
        maxItems: 5,
        description: 'Proxies that have been pending longest, as namespace/pod, at most five.',
      }),
    ),
  },
  { description: 'How far this generation has got among the connected proxies.' },
);

const validationMessageSchema = record({
  type: Type.Optional(
    record(
      {
        name: Type.Optional(Type.String({ description: 'A readable name.' })),
        code: Type.Optional(Type.String({ description: 'The code, which documentation is found by.' })),
      },
      { description: 'What kind of message it is.' },
    ),
  ),
  level: Type.Optional(stringEnum(['UNKNOWN', 'ERROR', 'WARNING', 'INFO'], { description: 'How serious it is.' })),
  documentationUrl: Type.Optional(Type.String({ description: 'Where more is said about this kind of message.' })),
});

const addressSchema = record({
  value: Type.Optional(Type.String({ description: 'The assigned IP address.' })),
  host: Type.Optional(Type.String({ description: 'The host of spec.hosts that it stands for.' })),
});

const statusFields = {
  observedGeneration: Type.Optional(
    Type.Integer({ format: 'int64', description: 'The metadata.generation that was last looked at; -1 before the first look.' }),
  ),
  conditions: Type.Optional(
    Type.Array(conditionSchema, {
      description: 'Accepted, ResolvedRefs, Programmed and Ready; Reconciling and Stalled only while they hold.',
      crd: { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] },
    }),
  ),
  propagation: Type.Optional(propagationSchema),
  validationMessages: Type.Optional(
    Type.Array(validationMessageSchema, { description: "Findings about the spec, in the form of Istio's analyzers." }),
  ),
};

// Fields of other writers (an istiod in the same cluster) are kept, as Istio's own CRDs keep ours. The default makes an object
// that nobody has looked at yet read as not current (kstatus compares observedGeneration).
const statusOptions = {
  description: 'What has become of the object; written by the control plane.',
  crd: { 'x-kubernetes-preserve-unknown-fields': true, default: { observedGeneration: -1 } },
};

/** The status of Sidecar, EnvoyFilter and WorkloadEntry. */
export const meshStatusSchema = record(statusFields, statusOptions);

/** The status of a ServiceEntry: the common one and the addresses assigned to its hosts. */
export const serviceEntryStatusSchema = record(
  {
    ...statusFields,
    addresses: Type.Optional(
      Type.Array(addressSchema, { description: 'Addresses assigned to hosts that have none of their own.' }),
    ),
  },
  statusOptions,
);

/** Kubernetes' condition; `observedGeneration` and `lastTransitionTime` are always written by Weft. */
export type Condition = Type.Static<typeof conditionSchema>;
/** Counts of proxies by how they answered one generation of an object. */
export type Propagation = Type.Static<typeof propagationSchema>;
/** One resource that proxies refused. */
export type Rejection = Type.Static<typeof rejectionSchema>;
/** Istio's `AnalysisMessageBase`. */
export type ValidationMessage = Type.Static<typeof validationMessageSchema>;
/** Istio's `ServiceEntryAddress`. */
export type ServiceEntryAddress = Type.Static<typeof addressSchema>;
/** The status that every mesh resource has. */
export type MeshStatus = Type.Static<typeof meshStatusSchema>;
/** The status of a ServiceEntry. */
export type ServiceEntryStatus = Type.Static<typeof serviceEntryStatusSchema>;
