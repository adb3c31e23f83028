/** How deep a field is rendered; what lies deeper is named only. */
const maxDepth = 8;

/** Entries of one list or map that are rendered. */
const maxEntries = 100;

/** Fields as plain JSON values. Never throws: circular references, throwing getters and values that JSON lacks are named instead. */
export function renderFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return renderValue(fields, 0, []) as Record<string, unknown>;
}

/** An error as people read it: stack, then each cause indented below it. */
export function renderError(error: Error): string {
  const lines: string[] = [];
  const seen = new Set<unknown>();
  let at: unknown = error;
  while (at instanceof Error && !seen.has(at)) {
    lines.push(`${seen.size > 0 ? 'caused by ' : ''}${stackOf(at)}`);
    seen.add(at);
    at = at.cause;
  }
  if (at !== undefined && at !== null && !seen.has(at)) lines.push(`caused by ${JSON.stringify(renderValue(at, 1, []))}`);
  return lines.join('\n');
}

function stackOf(error: Error): string {
  const head = `${error.name}: ${error.message}`;
  const stack = typeof error.stack === 'string' ? error.stack : '';
  return stack.includes(error.message) ? stack : [head, ...stack.split('\n').slice(1)].join('\n');
}

function renderValue(value: unknown, depth: number, parents: readonly object[]): unknown {
  switch (typeof value) {
    case 'bigint':
    case 'symbol':
      return String(value);
    case 'function':
      return `[function ${value.name || 'anonymous'}]`;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'object':
      return value === null ? null : renderObject(value, depth, parents);
    default:
      return value;
  }
}

function renderObject(value: object, depth: number, parents: readonly object[]): unknown {
  if (parents.includes(value)) return '[circular]';
  if (depth >= maxDepth) return Array.isArray(value) ? `[list of ${value.length}]` : '[object]';
  const below = [...parents, value];
  const render = (entry: unknown) => renderValue(entry, depth + 1, below);
  try {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof Error) return renderErrorFields(value, render);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if ('toJSON' in value && typeof value.toJSON === 'function') return render(value.toJSON());
    if (value instanceof Set) return renderList([...value], render);
    if (Array.isArray(value)) return renderList(value, render);
    if (value instanceof Map)
      return renderEntries(
        [...value].map(([key, entry]) => [String(key), () => entry]),
        render,
      );
    return renderEntries(
      Object.keys(value).map((key) => [key, () => (value as Record<string, unknown>)[key]]),
      render,
    );
  } catch (error) {
    return `[not readable: ${String(error)}]`;
  }
}

function renderErrorFields(error: Error, render: (entry: unknown) => unknown): Record<string, unknown> {
  const own = Object.keys(error).filter((key) => !['name', 'message', 'stack', 'cause', 'errors'].includes(key));
  const rendered: Record<string, unknown> = { name: error.name, message: error.message, stack: error.stack };
  for (const key of own) rendered[key] = render((error as unknown as Record<string, unknown>)[key]);
  if (error.cause !== undefined) rendered.cause = render(error.cause);
  if (error instanceof AggregateError) rendered.errors = render(error.errors);
  return rendered;
}

function renderList(list: readonly unknown[], render: (entry: unknown) => unknown): unknown[] {
  const rendered = list.slice(0, maxEntries).map(render);
  if (list.length > maxEntries) rendered.push(`[${list.length - maxEntries} more]`);
  return rendered;
}

function renderEntries(
  entries: readonly [string, () => unknown][],
  render: (entry: unknown) => unknown,
): Record<string, unknown> {
  const rendered: Record<string, unknown> = {};
  for (const [key, read] of entries.slice(0, maxEntries)) {
    try {
      rendered[key] = render(read());
    } catch (error) {
      rendered[key] = `[not readable: ${String(error)}]`;
    }
  }
  if (entries.length > maxEntries) rendered['…'] = `[${entries.length - maxEntries} more]`;
  return rendered;
}
