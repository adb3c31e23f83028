/** What an object is called, as far as its document can be read. */
export interface Identity {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** The identity that a parsed object states; undefined unless it has apiVersion, kind and name. */
export function identityOf(value: unknown): Identity | undefined {
  if (!isRecord(value) || !isRecord(value.metadata)) return undefined;
  const { apiVersion, kind, metadata } = value;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || typeof metadata.name !== 'string') return undefined;
  return {
    apiVersion,
    kind,
    namespace: typeof metadata.namespace === 'string' ? metadata.namespace : undefined,
    name: metadata.name,
  };
}

/** The identity in a text that does not parse: reads the usual lines one by one. */
export function guessIdentity(text: string): Identity | undefined {
  const apiVersion = scalarLine(text, 'apiVersion');
  const kind = scalarLine(text, 'kind');
  const block = /^metadata:[ \t]*\r?\n((?:[ \t]+[^\n]*\n?|[ \t]*\r?\n)*)/m.exec(text)?.[1];
  const indent = block && /^[ \t]+(?=\S)/m.exec(block)?.[0];
  if (!apiVersion || !kind || !block || !indent) return undefined;
  const name = scalarLine(block, 'name', indent);
  if (!name) return undefined;
  return { apiVersion, kind, namespace: scalarLine(block, 'namespace', indent), name };
}

function scalarLine(text: string, key: string, indent = ''): string | undefined {
  return new RegExp(`^${indent}${key}:[ \\t]+["']?([^\\s"'#]+)["']?[ \\t]*(?:#.*)?\\r?$`, 'm').exec(text)?.[1];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
