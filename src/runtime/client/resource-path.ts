import type { KubernetesObject, ObjectName } from '../object.ts';
import { parseObjectName } from '../object.ts';
import type { ResourceKind } from '../resource-kind.ts';

/** `/apis/apps/v1/namespaces/default/deployments`: where a kind's objects are listed and made. No namespace: all of them. */
export function resourcePath<T extends KubernetesObject>(kind: ResourceKind<T>, namespace = ''): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = kind.scope === 'Namespaced' && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${kind.plural}`;
}

/** The path of one object, or of a subresource of it (`status`). Throws if the name does not fit the kind's scope. */
export function objectPath<T extends KubernetesObject>(kind: ResourceKind<T>, key: ObjectName, subresource?: string): string {
  const { namespace, name } = parseObjectName(key);
  if (name === '') throw new Error(`${kind.kind} "${key}": metadata.name is empty`);
  if ((namespace !== '') !== (kind.scope === 'Namespaced')) {
    const wanted = kind.scope === 'Namespaced' ? 'lies in a namespace: NAMESPACE/NAME' : 'lies in no namespace: NAME alone';
    throw new Error(`${kind.kind} "${key}": this kind ${wanted}`);
  }
  return `${resourcePath(kind, namespace)}/${encodeURIComponent(name)}${subresource === undefined ? '' : `/${subresource}`}`;
}
