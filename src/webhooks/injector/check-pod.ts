import Type from 'typebox';
import { FindingList, formatFinding, Place } from '../../api/finding.ts';
import { mapOf } from '../../api/schema-term.ts';
import { compileStructure } from '../../api/structure.ts';
import { InjectionRefusal } from './injection.ts';

const texts = mapOf(Type.String());
const anyMap = mapOf(Type.Unknown());
const handler = Type.Object({
  httpGet: Type.Optional(Type.Object({ path: Type.Optional(Type.String()), scheme: Type.Optional(Type.String()) })),
  tcpSocket: Type.Optional(anyMap),
  grpc: Type.Optional(Type.Object({ service: Type.Optional(Type.String()) })),
  timeoutSeconds: Type.Optional(Type.Integer()),
});
const named = Type.Object({ name: Type.String({ minLength: 1 }) });
const container = Type.Object({
  name: Type.String({ minLength: 1 }),
  image: Type.Optional(Type.String()),
  args: Type.Optional(Type.Array(Type.String())),
  env: Type.Optional(Type.Array(Type.Object({ name: Type.String() }))),
  ports: Type.Optional(Type.Array(Type.Object({ containerPort: Type.Integer(), name: Type.Optional(Type.String()) }))),
  volumeMounts: Type.Optional(Type.Array(Type.Object({ mountPath: Type.String() }))),
  resources: Type.Optional(anyMap),
  securityContext: Type.Optional(
    Type.Object({ runAsUser: Type.Optional(Type.Integer()), runAsGroup: Type.Optional(Type.Integer()) }),
  ),
  readinessProbe: Type.Optional(handler),
  livenessProbe: Type.Optional(handler),
  startupProbe: Type.Optional(handler),
  lifecycle: Type.Optional(Type.Object({ preStop: Type.Optional(handler), postStart: Type.Optional(handler) })),
});

/** What injection takes for granted of a pod. Fields that it does not read are not looked at. */
const checkStructure = compileStructure(
  Type.Object({
    metadata: Type.Optional(
      Type.Object({
        name: Type.Optional(Type.String()),
        generateName: Type.Optional(Type.String()),
        labels: Type.Optional(texts),
        annotations: Type.Optional(texts),
        ownerReferences: Type.Optional(
          Type.Array(Type.Object({ apiVersion: Type.String(), kind: Type.String(), name: Type.String() })),
        ),
      }),
    ),
    spec: Type.Object({
      containers: Type.Array(container),
      initContainers: Type.Optional(Type.Array(container)),
      volumes: Type.Optional(Type.Array(named)),
      imagePullSecrets: Type.Optional(Type.Array(Type.Object({ name: Type.Optional(Type.String()) }))),
      hostNetwork: Type.Optional(Type.Boolean()),
    }),
  }),
);

/** Throws an {@link InjectionRefusal} for a pod whose shape is not Kubernetes'. The API server sends none; a file may hold one. */
export function checkPod(pod: unknown): void {
  const findings = new FindingList();
  checkStructure(pod, new Place(findings));
  const errors = findings.toArray().filter(({ severity }) => severity === 'error');
  if (errors.length) throw new InjectionRefusal(errors.slice(0, 5).map(formatFinding).join('; '));
}
