import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { namesOf } from '../../src/installation-names.ts';
import { type OptionalPart, type Permissions, permissionsOf, rbacManifests, releasePermissions } from '../../src/rbac.ts';

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

/** When an installation has a part, in the template's language. */
const isSwitchedOn: Readonly<Record<OptionalPart, string>> = {
  status: '.Values.status.enabled',
  ownAuthority: 'not .Values.certificates.existingSecret',
  injectionWebhooks: '.Values.webhooks.injection.enabled',
  validationWebhook: '.Values.webhooks.validation.enabled',
};

/** The roles of `src/rbac.ts` and their bindings, for whatever the release calls its objects, without what the values switch off. */
export function rbacTemplate(): GeneratedFile {
  const permissions = permissionsOf({ ...namesOf(placeholder('NAME')), caConfigMap: placeholder('CA_CONFIG_MAP') });
  const names = { name: placeholder('NAME'), namespace: placeholder('NAMESPACE') };
  const manifests = writeManifests(rbacManifests(names, permissions), permissions);
  const text = manifests.filter((manifest) => !manifest.includes('\nkind: ServiceAccount\n')).join('---\n');
  const bound = text.replaceAll(/(kind: ServiceAccount\n {4}name: ).*/g, (_, head) => `${head}${placeholder('ACCOUNT')}`);
  return { path: 'templates/rbac.yaml', text: `${generatedFrom('src/rbac.ts')}${withExpressions(bound)}` };
}

/** The same for the Job that runs before an uninstall. Not hooks themselves: they would stay where it fails. */
export function releaseRbacTemplate(): GeneratedFile {
  const permissions = releasePermissions(namesOf(placeholder('NAME')));
  const names = { name: `${placeholder('NAME')}-release-objects`, namespace: placeholder('NAMESPACE') };
  const text = withExpressions(writeManifests(rbacManifests(names, permissions), permissions).join('---\n'));
  const isThere = '{{- if and .Values.status.enabled .Values.uninstall.releaseObjects }}';
  return { path: 'templates/pre-delete-rbac.yaml', text: `${generatedFrom('src/rbac.ts')}${isThere}\n${text}{{- end }}\n` };
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

const generatedFrom = (source: string) => `{{- /* Generated from ${source} by scripts/generate-chart.ts; do not edit. */}}\n`;

const withExpressions = (text: string) =>
  text.replaceAll(/__([A-Z_]+?)__/g, (_, name) => expressions[name as keyof typeof expressions]);

/** Each in YAML, with its rules' reasons, and rules that not every installation needs behind a switch. */
function writeManifests(manifests: readonly object[], { cluster, namespace }: Permissions): string[] {
  const told = [cluster, namespace];
  return manifests.map((manifest) => {
    const { rules, ...head } = manifest as { readonly rules?: readonly object[] };
    const text = withLabels(write(head));
    return rules ? `${text}rules:\n${writeRules(rules, told.shift()!)}` : text;
  });
}

function writeRules(rules: readonly object[], told: Permissions['cluster']): string {
  const items = rules.map((rule, index) => {
    const { reason, onlyFor } = told[index]!;
    const text = `# ${reason}\n${write([rule])}`.trimEnd();
    return onlyFor ? `{{- if ${isSwitchedOn[onlyFor]} }}\n${text}\n{{- end }}\n` : `${text}\n`;
  });
  return `${items.join('').trimEnd().replaceAll(/^/gm, '  ')}\n`;
}

function withLabels(yaml: string): string {
  const labels = '  labels:\n    {{- include "weft.labels" . | nindent 4 }}\n';
  return yaml.replace(/^metadata:\n(?: {2}.*\n)+/m, (metadata) => `${metadata}${labels}`);
}

function write(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}
