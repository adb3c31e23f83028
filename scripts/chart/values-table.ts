import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';

/** A value of the chart. */
interface Value {
  /** `image.tag`. */
  readonly path: string;
  readonly fallback: unknown;
  /** The comment in front of it. */
  readonly about: string;
}

/** Reads `values.yaml`: a row for each value; a map whose comment stands before it as a whole is one value. */
function readValues(yaml: string): Value[] {
  const document = parseDocument(yaml);
  if (!isMap(document.contents)) throw new Error('values.yaml holds no map');
  return valuesOf(document.contents, '', document.contents.commentBefore ?? '');
}

/** As rows of a Markdown table. Throws if a value has no comment. */
export function valuesTable(yaml: string): string {
  const rows = readValues(yaml).map(({ path, fallback, about }) => {
    if (about === '') throw new Error(`values.yaml: nothing is said of ${path}`);
    return `| \`${path}\` | \`${JSON.stringify(fallback)}\` | ${about} |`;
  });
  return ['| value | default | |', '|---|---|---|', ...rows].join('\n');
}

function valuesOf(map: YAMLMap, prefix: string, firstComment: string): Value[] {
  return (map.items as Pair[]).flatMap(({ key, value }, index): Value[] => {
    if (!isScalar(key)) throw new Error('values.yaml: a key is no word');
    const path = `${prefix}${String(key.value)}`;
    const about = commentOf(index === 0 ? (key.commentBefore ?? firstComment) : key.commentBefore);
    if (isMap(value) && !value.flow && value.items.length > 0) {
      const inner = valuesOf(value, `${path}.`, value.commentBefore ?? '');
      return inner.some((each) => each.about !== '') && about === '' ? inner : [{ path, fallback: value.toJSON(), about }];
    }
    const fallback = (value as { toJSON(): unknown } | null)?.toJSON();
    return [{ path, fallback, about }];
  });
}

/** The paragraph next to the key. */
function commentOf(comment: string | null | undefined): string {
  const lines = (comment ?? '').split('\n\n').at(-1)!.split('\n');
  return lines
    .map((line) => line.trim())
    .join(' ')
    .trim();
}
