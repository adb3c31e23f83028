import { meshKinds } from '../api/index.ts';
import { CommandError } from './command-error.ts';

/** An object as a command line names it. */
export interface ObjectReference {
  readonly kind: string;
  readonly namespace: string;
  /** Undefined: every object of the kind. */
  readonly name: string | undefined;
}

/** `KIND/NAME`, or `KIND` for all of them; a kind goes by its name, plural or short name, in any case. */
export function parseObjectReference(text: string, namespace: string): ObjectReference {
  const [kindText = '', name, ...rest] = text.split('/');
  const wanted = kindText.toLowerCase();
  const kind = meshKinds.find((candidate) =>
    [candidate.kind.toLowerCase(), candidate.plural, ...candidate.shortNames].includes(wanted),
  );
  if (!kind || rest.length) {
    const names = meshKinds.map((candidate) => candidate.kind.toLowerCase()).join(', ');
    throw new CommandError(`${text}: expected KIND/NAME, where KIND is one of ${names}`);
  }
  return { kind: kind.kind, namespace, name: name || undefined };
}
