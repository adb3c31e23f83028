/** One thing that validation has to say about an object: where, and why. */
export interface Finding {
  /** An error keeps the object's new version out of force; a warning does not. */
  readonly severity: 'error' | 'warning';
  /** The field as people write it, `spec.ports[1].protocol`; empty for the object as a whole. */
  readonly path: string;
  /** The same place as keys and list indexes, so that a node of a YAML document can be found. */
  readonly segments: readonly (string | number)[];
  /** What is wrong, what was found and what is expected. Does not repeat the path. */
  readonly message: string;
}

/** True if any of the findings keeps the object out of force. */
export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some((finding) => finding.severity === 'error');
}

/** `path: message`, or the message alone for a finding about the object as a whole. */
export function formatFinding(finding: Finding): string {
  return finding.path === '' ? finding.message : `${finding.path}: ${finding.message}`;
}

const plainKey = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Joins segments to the form of {@link Finding.path}; keys that would be ambiguous are quoted: `labels["app.kubernetes.io/name"]`. */
export function formatPath(segments: readonly (string | number)[]): string {
  let path = '';
  for (const segment of segments) {
    if (typeof segment === 'number') path += `[${segment}]`;
    else if (!plainKey.test(segment)) path += `[${JSON.stringify(segment)}]`;
    else path += path === '' ? segment : `.${segment}`;
  }
  return path;
}

/** How many findings of each severity are kept for one object; the rest are counted in one last finding. */
export const findingLimit = 100;

/** Collects the findings of one object, bounded, so that a huge broken file cannot fill memory with complaints. */
export class FindingList {
  readonly #findings: Finding[] = [];
  readonly #counts = { error: 0, warning: 0 };

  /** Keeps the finding unless {@link findingLimit} of its severity are kept already. */
  add(finding: Finding): void {
    this.#counts[finding.severity] += 1;
    if (this.#counts[finding.severity] <= findingLimit) this.#findings.push(finding);
  }

  get errorCount(): number {
    return this.#counts.error;
  }

  /** Everything found, in the order of discovery, with one closing finding per severity of which some were left out. */
  toArray(): Finding[] {
    const all = [...this.#findings];
    for (const severity of ['error', 'warning'] as const) {
      const left = this.#counts[severity] - findingLimit;
      if (left > 0)
        all.push({ severity, path: '', segments: [], message: `${left} further ${severity}s of this object are not shown` });
    }
    return all;
  }
}

/** A place inside the object under validation: rules report at it and step down from it. Paths are only built for a finding. */
export class Place {
  readonly #list: FindingList;
  readonly #parent: Place | undefined;
  readonly #segment: string | number;

  constructor(list: FindingList, parent?: Place, segment: string | number = '') {
    this.#list = list;
    this.#parent = parent;
    this.#segment = segment;
  }

  /** The place further down, by field names, map keys and list indexes. */
  at(...segments: (string | number)[]): Place {
    let place: Place = this;
    for (const segment of segments) place = new Place(this.#list, place, segment);
    return place;
  }

  /** Reports an error here; does nothing without a message, so that the answer of a syntax rule can be passed on as it is. */
  error(message: string | undefined): void {
    this.#report('error', message);
  }

  /** Reports a warning here; does nothing without a message. */
  warning(message: string | undefined): void {
    this.#report('warning', message);
  }

  #report(severity: Finding['severity'], message: string | undefined): void {
    if (message === undefined) return;
    const segments = this.#segments();
    this.#list.add({ severity, path: formatPath(segments), segments, message });
  }

  #segments(): (string | number)[] {
    const segments: (string | number)[] = [];
    for (let place: Place = this; place.#parent !== undefined; place = place.#parent) segments.push(place.#segment);
    return segments.reverse();
  }
}
