import { hashText } from './content.ts';
import { type ParsedDocument, type ParseOptions, parseDocument } from './parse-document.ts';
import { splitDocuments } from './split-documents.ts';

/** A document of a file: what it says, and where in the file it stands now. */
export interface LoadedDocument {
  /** Of the document's text. */
  readonly hash: string;
  /** Line of the file on which the document begins, from 1. */
  readonly startLine: number;
  readonly parsed: ParsedDocument;
}

/** Reads all documents of a file's text. See {@link loadFileSteps}. */
export function loadFile(
  path: string,
  text: string,
  options: ParseOptions,
  previous: readonly LoadedDocument[] = [],
): LoadedDocument[] {
  const steps = loadFileSteps(path, text, options, previous);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/**
 * Reads the documents of a file one after the other, with a pause after each in which the caller may let other work run. A document
 * whose text is among the `previous` ones is neither parsed nor validated again. A `.json` file is one document.
 */
export function* loadFileSteps(
  path: string,
  text: string,
  options: ParseOptions,
  previous: readonly LoadedDocument[] = [],
): Generator<void, LoadedDocument[], void> {
  const known = new Map(previous.map((document) => [document.hash, document.parsed]));
  const loaded: LoadedDocument[] = [];
  const documents = path.endsWith('.json') ? [{ text: text.replace(/^\ufeff/, ''), startLine: 1 }] : splitDocuments(text);
  for (const { text: documentText, startLine } of documents) {
    const hash = hashText(documentText);
    let parsed = known.get(hash);
    if (!parsed) {
      parsed = parseDocument(documentText, options);
      known.set(hash, parsed);
      yield;
    }
    loaded.push({ hash, startLine, parsed });
  }
  return loaded;
}
