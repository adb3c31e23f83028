/** A request as RBAC sees it: which verb on which resource. */
export interface RequestInfo {
  /** RBAC's verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the lower-case method for other paths. */
  readonly verb: string;
  /** `deployments.apps/status`, as a Role names it: plural, group, subresource. The path where it is no resource. */
  readonly resource: string;
  /** `namespace/name`, `name`, `namespace/`; undefined for all objects of a kind. */
  readonly object: string | undefined;
}

/** Reads the request of a path as the API server's authorizer does. `path` is without a query. */
export function describeRequest(method: string, path: string, isWatch = false): RequestInfo {
  const parts = path.split('/').filter((part) => part !== '');
  const isCore = parts[0] === 'api';
  const group = isCore ? '' : parts[1];
  const rest = parts.slice(isCore ? 2 : 3);
  if ((!isCore && parts[0] !== 'apis') || group === undefined || rest.length === 0) {
    return { verb: method.toLowerCase(), resource: path, object: undefined };
  }
  // `/namespaces/x/status` and `/namespaces/x` are about the namespace itself.
  const isNamespaced = rest[0] === 'namespaces' && rest.length > 2 && !(isCore && ['status', 'finalize'].includes(rest[2]!));
  const namespace = isNamespaced ? decodeURIComponent(rest[1]!) : undefined;
  const [plural, encodedName, subresource] = isNamespaced ? rest.slice(2) : rest;
  const name = encodedName === undefined ? undefined : decodeURIComponent(encodedName);
  const resource = `${plural}${group === '' ? '' : `.${group}`}${subresource === undefined ? '' : `/${subresource}`}`;
  const object = namespace === undefined ? name : `${namespace}/${name ?? ''}`;
  return { verb: verbOf(method, name !== undefined, isWatch), resource, object };
}

/** `list deployments.apps in default`, for errors. */
export function formatRequest({ verb, resource, object }: RequestInfo): string {
  if (object === undefined) return `${verb} ${resource}`;
  return object.endsWith('/') ? `${verb} ${resource} in ${object.slice(0, -1)}` : `${verb} ${resource} ${object}`;
}

function verbOf(method: string, isNamed: boolean, isWatch: boolean): string {
  switch (method) {
    case 'GET':
      return isWatch ? 'watch' : isNamed ? 'get' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return isNamed ? 'delete' : 'deletecollection';
    default:
      return method.toLowerCase();
  }
}
