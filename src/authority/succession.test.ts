import { beforeAll, describe, expect, it } from 'vitest';
import type { ServingCertificate } from '../runtime/webhook/certificates.ts';
import { issueCa, issueServing, type KeyedCertificate } from './certificate.ts';
import {
  type AuthorityTexts,
  advanceSuccession,
  beginSuccession,
  certificatesIn,
  type Succeeded,
  type Succession,
} from './succession.ts';

const hourMs = 3_600_000;
const overlapMs = hourMs;
const startMs = Date.UTC(2026, 0, 1);
const lifetimeMs = 100 * hourMs;

let oldCa: KeyedCertificate;
let newCa: KeyedCertificate;
/** Two of the old CA, two of the new one. */
let old: ServingCertificate[];
let next: ServingCertificate[];
beforeAll(async () => {
  [oldCa, newCa] = [await issueCa({ nowMs: startMs, lifetimeMs: 2 * lifetimeMs }), await issueCa({ nowMs: startMs, lifetimeMs })];
  const issue = (ca: KeyedCertificate) => issueServing(ca, { nowMs: startMs, lifetimeMs, names: ['weft'] });
  [old, next] = [
    [await issue(oldCa), await issue(oldCa)],
    [await issue(newCa), await issue(newCa)],
  ];
});

/** A process that has begun with files, and has been told others since, in hours after its start. */
class Files {
  texts: AuthorityTexts;
  last!: Succeeded;
  #succession: Succession;

  constructor(texts: AuthorityTexts, published: string[] = []) {
    this.texts = texts;
    this.#succession = beginSuccession(texts, published, { nowMs: startMs, overlapMs });
    this.at(0);
  }

  /** What is shown and believed at an hour, with what the files say from then on. */
  at(hour: number, texts: Partial<AuthorityTexts> = {}): this {
    this.texts = { ...this.texts, ...texts };
    this.last = advanceSuccession(this.#succession, this.texts, { nowMs: startMs + hour * hourMs, overlapMs });
    this.#succession = this.last.succession;
    return this;
  }

  get shown(): ServingCertificate {
    return this.#succession.shown;
  }

  get trust(): string[] {
    return certificatesIn(this.last.trust);
  }

  /** When something falls due, in hours. */
  get dueHour(): number {
    return (this.last.dueAtMs - startMs) / hourMs;
  }
}

const ofOld = () => ({ pair: old[0]!, bundle: oldCa.certificate });
const ofNew = () => ({ pair: next[0]!, bundle: newCa.certificate });

describe('certificates in files', () => {
  it('are shown at once where the CA is known', () => {
    const files = new Files(ofOld());
    expect([files.shown, files.trust, files.dueHour]).toEqual([old[0], [oldCa.certificate], Number.POSITIVE_INFINITY]);
    expect(files.at(5, { pair: old[1]! }).shown).toBe(old[1]);
    expect(files.last.trust).toBe(oldCa.certificate);
  });

  it('of another CA are shown when clients have had it for the overlap; the former CA is believed for as long again', () => {
    const files = new Files(ofOld()).at(10, ofNew());
    expect([files.shown, files.trust, files.dueHour]).toEqual([old[0], [newCa.certificate, oldCa.certificate], 11]);
    files.at(10.9);
    expect([files.shown, files.trust]).toEqual([old[0], [newCa.certificate, oldCa.certificate]]);
    files.at(11);
    expect([files.shown, files.trust, files.dueHour]).toEqual([next[0], [newCa.certificate, oldCa.certificate], 12]);
    files.at(12);
    expect([files.shown, files.trust, files.dueHour]).toEqual([next[0], [newCa.certificate], Number.POSITIVE_INFINITY]);
  });

  it.each(['the certificate', 'the CA'])('may change one after the other, %s first', (what) => {
    const files = new Files(ofOld());
    const { pair, bundle } = ofNew();
    files.at(10, what === 'the CA' ? { bundle } : { pair });
    expect([files.shown, files.trust.includes(oldCa.certificate)]).toEqual([old[0], true]);
    files.at(10.1, { pair, bundle });
    expect([files.shown, files.trust]).toEqual([old[0], [newCa.certificate, oldCa.certificate]]);
    expect(files.at(10.99).shown).toBe(old[0]);
    expect(files.at(11.1).shown).toBe(next[0]);
  });

  it('are shown at once where the files had named both CAs before', () => {
    const files = new Files({ pair: old[0]!, bundle: `${oldCa.certificate}${newCa.certificate}` });
    expect(files.at(1, { pair: next[0]! }).shown).toBe(next[0]);
    expect(files.at(2, { bundle: newCa.certificate }).trust).toEqual([newCa.certificate, oldCa.certificate]);
    expect(files.at(4).trust).toEqual([newCa.certificate]);
  });

  it('go back and forth: what is shown is always of a CA that clients have known for the overlap', () => {
    const files = new Files(ofOld()).at(10, ofNew()).at(10.5, ofOld());
    expect([files.shown, files.trust]).toEqual([old[0], [oldCa.certificate, newCa.certificate]]);
    expect(files.at(11).shown).toBe(old[0]);
    // The new CA has been told all the while.
    files.at(11.5, { pair: next[1]!, bundle: newCa.certificate });
    expect([files.shown, files.trust]).toEqual([next[1], [newCa.certificate, oldCa.certificate]]);
  });

  it('are shown before the one before ends, believed or not', () => {
    const files = new Files(ofOld()).at(99.5, ofNew());
    expect(files.dueHour).toBeCloseTo(99.5 + 1 / 3);
    expect(files.at(99.8).shown).toBe(old[0]);
    expect(files.at(99.84).shown).toBe(next[0]);
    const late = new Files(ofOld()).at(99.9, ofNew());
    expect(late.dueHour).toBeCloseTo(99.95);
  });

  it('of a CA that the files never name wait as long as they can, and theirs stays believed', () => {
    const files = new Files(ofOld()).at(10, { pair: next[0]! });
    expect(files.at(90).shown).toBe(old[0]);
    expect(files.at(91, { bundle: newCa.certificate }).at(92).shown).toBe(next[0]);
  });

  it('that clients cannot believe anyway are replaced at once', () => {
    const files = new Files({ pair: old[0]!, bundle: newCa.certificate });
    expect(files.at(1, { pair: old[1]! }).shown).toBe(old[1]);
    expect(files.at(2, { pair: next[0]! }).shown).toBe(next[0]);
  });

  it('keep a CA believed for as long as what is shown is its work', () => {
    const files = new Files(ofOld()).at(1, { bundle: newCa.certificate }).at(50);
    expect([files.shown, files.trust]).toEqual([old[0], [newCa.certificate, oldCa.certificate]]);
    expect(files.at(51, { pair: next[0]! }).trust).toEqual([newCa.certificate]);
  });

  it('take effect at once without an overlap', () => {
    const at = (hour: number) => startMs + hour * hourMs;
    const begun = beginSuccession(ofOld(), [], { nowMs: startMs, overlapMs: 0 });
    const { succession, trust, showsAtMs } = advanceSuccession(begun, ofNew(), { nowMs: at(1), overlapMs: 0 });
    expect([succession.shown, trust, showsAtMs]).toEqual([next[0], newCa.certificate, undefined]);
  });
});

describe('a process that begins in the middle', () => {
  it('believes on whom clients were told to believe, for two overlaps', () => {
    const published = [`${newCa.certificate}${oldCa.certificate}`, 'no certificate', oldCa.certificate];
    const files = new Files(ofNew(), published);
    expect([files.shown, files.trust, files.dueHour]).toEqual([next[0], [newCa.certificate, oldCa.certificate], 2]);
    expect(files.at(2).trust).toEqual([newCa.certificate]);
  });

  it('believes a former CA no longer than the process before it would have', () => {
    const first = new Files(ofNew(), [oldCa.certificate]).at(0.5);
    expect(first.dueHour).toBe(2);
    const begin = (hour: number, published: string) => {
      const at = { nowMs: startMs + hour * hourMs, overlapMs };
      return advanceSuccession(beginSuccession(ofNew(), [published], at), ofNew(), at);
    };
    const second = begin(1.5, first.last.trust);
    expect(certificatesIn(second.trust)).toEqual([newCa.certificate, oldCa.certificate]);
    expect((second.dueAtMs - startMs) / hourMs).toBe(2);
    expect(begin(2, second.trust).trust).toBe(newCa.certificate);
    const forged = first.last.trust.replace('until 2026', 'until 2090');
    expect((begin(1, forged).dueAtMs - startMs) / hourMs).toBe(3);
  });

  it('begins with nothing else where clients know the same', () => {
    expect(new Files(ofOld(), [oldCa.certificate]).last.trust).toBe(oldCa.certificate);
  });

  it('forgets a CA that has ended', () => {
    const files = new Files(ofOld(), [newCa.certificate]);
    expect(files.trust).toEqual([oldCa.certificate, newCa.certificate]);
    const late = { nowMs: startMs + lifetimeMs, overlapMs };
    const ended = advanceSuccession(beginSuccession(ofOld(), [newCa.certificate], late), ofOld(), late);
    expect(ended.trust).toBe(oldCa.certificate);
  });
});
