import { subnetProblem } from '../../../api/address.ts';
import { envoyComponents } from './envoy-components.ts';
import { imageProblem } from './image-reference.ts';

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
    if (rest.length || component === '' || !(logLevels as readonly string[]).includes(level))
      throw new BadValue(`expected COMPONENT:LEVEL,… with a level of ${logLevels.join(', ')}; found ${JSON.stringify(part)}`);
    if (!envoyComponents.has(component))
      throw new BadValue(`Envoy has no component ${JSON.stringify(component)}; it has ${[...envoyComponents].join(', ')}`);
  }
  return text;
};

/** A reference to an image, which a kubelet can read. */
export const readImage: ValueReader<string> = (text) => {
  const problem = imageProblem(text);
  if (problem !== undefined) throw new BadValue(problem);
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
