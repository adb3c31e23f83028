import { subnetProblem } from '../../../api/address.ts';
import { isDnsLabel } from '../../../api/hostname.ts';

/** Thrown by a reader of an annotation's value: what is wrong with it, and what is expected. */
export class BadValue extends Error {}

/** Reads the text of an annotation, or throws {@link BadValue}. */
export type ValueReader<Value> = (text: string) => Value;

/** All of a list's possible values. */
type Everything = '*';

/** `true` or `false`, and the other spellings that Go's ParseBool takes. */
export const readBoolean: ValueReader<boolean> = (text) => {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw new BadValue('expected true or false');
};

/** One of a few words. */
export function oneOf<const Words extends readonly string[]>(...words: Words): ValueReader<Words[number]> {
  return (text) => {
    if (!words.includes(text)) throw new BadValue(`expected one of ${words.map((word) => word || 'an empty value').join(', ')}`);
    return text;
  };
}

/** A whole number that Kubernetes takes where it takes an int32. */
export const readCount: ValueReader<number> = (text) => {
  if (!/^\d{1,10}$/.test(text) || Number(text) > 2_147_483_647)
    throw new BadValue('expected a whole number from 0 to 2147483647');
  return Number(text);
};

/** A port, 0 included, which Istio takes for none. */
export const readPort: ValueReader<number> = (text) => {
  const digits = text.trim();
  if (!/^\d{1,5}$/.test(digits) || Number(digits) > 65_535)
    throw new BadValue(`expected a port from 0 to 65535, found ${JSON.stringify(text)}`);
  return Number(digits);
};

/** Ports divided by commas, blanks around them allowed; empty: none. */
export const readPorts: ValueReader<number[]> = (text) => (text.trim() === '' ? [] : text.split(',').map(readPort));

/** {@link readPorts}, or `*` for all. */
export const readPortsOrAll: ValueReader<number[] | Everything> = (text) => (text === '*' ? '*' : readPorts(text));

/** CIDRs of either family divided by commas, without blanks; empty: none. */
export const readRanges: ValueReader<string[]> = (text) => {
  if (text === '') return [];
  return text.split(',').map((range) => {
    if (!range.includes('/')) throw new BadValue(`${JSON.stringify(range)} is not a range; expected one such as 10.0.0.0/8`);
    const problem = subnetProblem(range);
    if (problem !== undefined) throw new BadValue(problem);
    return range;
  });
};

/** {@link readRanges}, or `*` for all. */
export const readRangesOrAll: ValueReader<string[] | Everything> = (text) => (text === '*' ? '*' : readRanges(text));

/** Names of network interfaces divided by commas; a name may end in `+`, which stands for any ending. */
export const readInterfaces: ValueReader<string[]> = (text) => {
  if (text === '') return [];
  return text.split(',').map((name) => {
    if (!/^(?=.{1,15}$)[A-Za-z0-9_.][A-Za-z0-9_.@~=-]*\+?$/.test(name))
      throw new BadValue(`${JSON.stringify(name)} is not the name of a network interface`);
    return name;
  });
};

/** A quantity in Kubernetes' notation, not negative: `100m`, `0.5`, `128Mi`, `1e3`. */
export const readQuantity: ValueReader<string> = (text) => {
  if (text.length > 64 || !/^\+?(?:\d+(?:\.\d*)?|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/.test(text))
    throw new BadValue('expected a quantity such as 100m or 128Mi');
  return text;
};

const logLevels = ['trace', 'debug', 'info', 'warning', 'warn', 'error', 'critical', 'off'] as const;

/** One of Envoy's log levels. */
export const readLogLevel: ValueReader<string> = oneOf(...logLevels);

/** Log levels of Envoy's components: `upstream:debug,config:trace`; empty: none. */
export const readComponentLogLevel: ValueReader<string> = (text) => {
  for (const part of text === '' ? [] : text.split(',')) {
    const [component = '', level = '', ...rest] = part.split(':');
    if (rest.length || !/^[a-z][a-z0-9_]*$/.test(component) || !(logLevels as readonly string[]).includes(level))
      throw new BadValue(`expected COMPONENT:LEVEL,… with a level of ${logLevels.join(', ')}; found ${JSON.stringify(part)}`);
  }
  return text;
};

/** A reference to an image; what a container runtime could not read at all is refused. */
export const readImage: ValueReader<string> = (text) => {
  if (text.length > 1024 || !/^[a-zA-Z0-9][\w.\-/:@+]*$/.test(text)) throw new BadValue('expected a reference to an image');
  return text;
};

/** The name of an object of Kubernetes, such as a ConfigMap. */
export const readObjectName: ValueReader<string> = (text) => {
  if (text.length > 253 || !/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/.test(text))
    throw new BadValue('expected the name of an object: lower-case letters, digits, - and .');
  return text;
};

/** Names divided by commas, blanks around them allowed. */
export const readNames: ValueReader<string[]> = (text) => {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new BadValue('expected names divided by commas');
  return names;
};

/** A map from the name of a volume to a part of a pod, in JSON; a list of maps that hold their `name` is taken too. */
export const readVolumeMap: ValueReader<Record<string, Record<string, unknown>>> = (text) => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BadValue(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const entries: [unknown, unknown][] = Array.isArray(value)
    ? value.map((entry) => [isMap(entry) ? entry.name : undefined, entry])
    : isMap(value)
      ? Object.entries(value)
      : [];
  if (!isMap(value) && !Array.isArray(value)) throw new BadValue('expected a JSON map from the name of a volume to its content');
  const read: Record<string, Record<string, unknown>> = {};
  for (const [name, content] of entries) {
    if (typeof name !== 'string' || !isDnsLabel(name) || name !== name.toLowerCase())
      throw new BadValue(`${JSON.stringify(name) ?? 'nothing'} is not the name of a volume`);
    if (!isMap(content)) throw new BadValue(`volume ${name}: expected a map, found ${JSON.stringify(content)}`);
    const { name: _, ...rest } = content;
    read[name] = rest;
  }
  return read;
};

/** {@link readVolumeMap}, each with the path at which it is mounted. */
export const readVolumeMounts: ValueReader<Record<string, Record<string, unknown>>> = (text) => {
  const mounts = readVolumeMap(text);
  for (const [name, { mountPath }] of Object.entries(mounts)) {
    if (typeof mountPath !== 'string' || !mountPath.startsWith('/'))
      throw new BadValue(`volume ${name}: mountPath must be an absolute path`);
  }
  return mounts;
};

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
