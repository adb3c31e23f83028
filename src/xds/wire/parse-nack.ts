/** One resource that a proxy refused, and what it said about it. */
export interface NamedRejection {
  readonly name: string;
  readonly message: string;
}

/** Envoy's CDS and LDS (`CdsApiImpl`, `LdsApiImpl`, `OdCdsApiImpl`) list each refused resource after this. */
const listed = /^Error adding\/updating (?:cluster|listener)\(s\) /;

/**
 * The resources that a NACK's message names, each with its own part of the message. Envoy joins clusters by `, ` and
 * listeners by line breaks, and applies every resource it does not name. `sent`: the names in the refused response;
 * only these are believed. An empty answer: the message names none.
 */
export function parseNack(message: string, sent: ReadonlySet<string>): NamedRejection[] {
  const head = listed.exec(message);
  if (!head) return [];
  const starts: { name: string; from: number; textFrom: number }[] = [];
  for (const from of partStarts(message, head[0].length)) {
    const name = nameAt(message, from, sent);
    if (name !== undefined) starts.push({ name, from, textFrom: from + name.length + separator.length });
  }
  const rejections = new Map<string, NamedRejection>();
  starts.forEach(({ name, textFrom }, index) => {
    const end = starts[index + 1]?.from ?? message.length;
    const text = message.slice(textFrom, end).replace(/[,\s]+$/, '');
    if (!rejections.has(name)) rejections.set(name, { name, message: text });
  });
  return [...rejections.values()];
}

const separator = ': ';

/** Where `from` and every part behind it begins. */
function* partStarts(message: string, from: number): Generator<number> {
  yield from;
  const divider = /, |\n/g;
  divider.lastIndex = from;
  while (divider.exec(message)) yield divider.lastIndex;
}

/** The name sent that stands at `from`, followed by a colon. Names may hold colons themselves. */
function nameAt(message: string, from: number, sent: ReadonlySet<string>): string | undefined {
  const near = message.slice(from, from + maxNameLength);
  for (let colon = near.indexOf(separator); colon >= 0; colon = near.indexOf(separator, colon + 1)) {
    const name = near.slice(0, colon);
    if (sent.has(name)) return name;
  }
  return undefined;
}

/** Longer than any name Weft makes; keeps the search short. */
const maxNameLength = 512;
