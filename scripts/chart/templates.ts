import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { namesOf } from '../../src/installation-names.ts';
import { type PermissionRule, permissionsOf, rbacManifests } from '../../src/rbac.ts';

/** A template of the chart that is made from something else in the repository. */
export interface GeneratedFile {
  /** Inside the chart. */
  readonly path: string;
  readonly text: string;
}

/** Stand for expressions of the template's language, which YAML would put into quotes. */
const expressions = {
  NAME: '{{ include "weft.name" . }}',
  ACCOUNT: '{{ include "weft.serviceAccount" . }}',
  NAMESPACE: '{{ .Release.Namespace }}',
  CA_CONFIG_MAP: '{{ include "weft.caConfigMap" . }}',
} as const;
const placeholder = (name: keyof typeof expressions) => `__${name}__`;

/** The roles of `src/rbac.ts` and their bindings, for whatever the release calls its objects. */
export function rbacTemplate(): GeneratedFile {
  const permissions = permissionsOf({ ...namesOf(placeholder('NAME')), caConfigMap: placeholder('CA_CONFIG_MAP') });
  const manifests = rbacManifests({ name: placeholder('NAME'), namespace: placeholder('NAMESPACE') }, permissions) as Manifest[];
  const reasons = [permissions.cluster, permissions.namespace].map((rules) => rules.map(({ reason }) => reason));
  const documents = manifests
    .filter(({ kind }) => kind !== 'ServiceAccount')
    .map((manifest) => {
      const { rules, subjects, ...head } = manifest;
      const account = subjects?.map((subject) => ({ ...subject, name: placeholder('ACCOUNT') }));
      const text = withLabels(write({ ...head, ...(account && { subjects: account }) }));
      return rules ? `${text}rules:\n${writeRules(rules, reasons.shift()!)}` : text;
    });
  const text = documents.join('---\n').replaceAll(/__([A-Z_]+)__/g, (_, name) => expressions[name as keyof typeof expressions]);
  return { path: 'templates/rbac.yaml', text: `${generatedFrom('src/rbac.ts')}${text}` };
}

/** The CRDs of `crds/`, each behind the switches of the chart. */
export function crdTemplates(folder: string): GeneratedFile[] {
  return readdirSync(folder).map((file) => {
    const crd = readFileSync(join(folder, file), 'utf8').replace(/^#.*\n/, '');
    const keep = '    helm.sh/resource-policy: keep\n';
    if (!crd.includes(`  annotations:\n${keep}`)) throw new Error(`${file} does not say that it stays`);
    if (crd.includes('{{')) throw new Error(`${file}: {{ has a meaning in templates`);
    const switched = crd.replace(
      `  annotations:\n${keep}`,
      `  {{- if .Values.crds.keep }}\n  annotations:\n${keep}  {{- end }}\n`,
    );
    const labelled = switched.replace(
      /^ {2}labels:\n(?: {4}.*\n)+/m,
      '  labels:\n    {{- include "weft.crdLabels" . | nindent 4 }}\n',
    );
    if (labelled === switched) throw new Error(`${file} has no labels`);
    const text = `${generatedFrom(`crds/${file}`)}{{- if .Values.crds.enabled }}\n${labelled}{{- end }}\n`;
    return { path: `templates/crds/${file}`, text };
  });
}

interface Manifest {
  readonly kind: string;
  readonly rules?: readonly PermissionRule[];
  readonly subjects?: readonly object[];
}

const generatedFrom = (source: string) => `{{- /* Generated from ${source} by scripts/generate-chart.ts; do not edit. */}}\n`;

function writeRules(rules: readonly object[], reasons: readonly string[]): string {
  const items = rules.map((rule, index) => `# ${reasons[index]}\n${write([rule])}`);
  return `${items.join('').replaceAll(/^/gm, '  ').trimEnd()}\n`;
}

function withLabels(yaml: string): string {
  const labels = '  labels:\n    {{- include "weft.labels" . | nindent 4 }}\n';
  return yaml.replace(/^metadata:\n(?: {2}.*\n)+/m, (metadata) => `${metadata}${labels}`);
}

function write(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}
