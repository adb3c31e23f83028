import type { ResourceKind } from '../../runtime/resource-kind.ts';

/** The kinds that are read, by group and kind. */
export class KindIndex {
  readonly #byName: ReadonlyMap<string, ResourceKind>;

  constructor(kinds: readonly ResourceKind[]) {
    this.#byName = new Map(kinds.map((kind) => [`${kind.group}/${kind.kind}`, kind]));
  }

  /** The kind of that name in the group of the `apiVersion`, whatever the version. */
  find(apiVersion: string, kind: string): ResourceKind | undefined {
    return this.#byName.get(`${splitApiVersion(apiVersion).group}/${kind}`);
  }

  serves(kind: ResourceKind, apiVersion: string): boolean {
    return kind.servedVersions.includes(splitApiVersion(apiVersion).version);
  }
}

/** `group/version`, or `version` for the core group. */
function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.lastIndexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
