/**
 * The part of the Reflect metadata proposal that @peculiar/x509 asks its host for (through tsyringe): it only looks up what decorators
 * registered when it was loaded. Imported before it; a complete implementation that is there already is left alone.
 */
type Metadata = Map<unknown, unknown>;

const metadataOf = new WeakMap<object, Metadata>();

const functions = {
  defineMetadata(key: unknown, value: unknown, target: object): void {
    let metadata = metadataOf.get(target);
    if (!metadata) {
      metadata = new Map();
      metadataOf.set(target, metadata);
    }
    metadata.set(key, value);
  },
  getOwnMetadata(key: unknown, target: object): unknown {
    return metadataOf.get(target)?.get(key);
  },
  getMetadata(key: unknown, target: object): unknown {
    for (let at: object | null = target; at; at = Object.getPrototypeOf(at)) {
      const metadata = metadataOf.get(at);
      if (metadata?.has(key)) return metadata.get(key);
    }
    return undefined;
  },
};

for (const [name, value] of Object.entries(functions)) {
  if (!Object.hasOwn(Reflect, name)) Object.defineProperty(Reflect, name, { value, configurable: true, writable: true });
}
