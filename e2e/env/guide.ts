/** A file that the reader of a guide writes. */
export interface GuideFile {
  readonly type: 'file';
  readonly name: string;
  readonly text: string;
}

/** A command that the reader types, and what the guide says it prints. */
export interface GuideCommand {
  readonly type: 'command';
  readonly command: string;
  readonly output: string;
  /** Where the output stands in the guide's text, from and to. */
  readonly at: readonly [number, number];
}

/**
 * What a guide in Markdown has its reader do, in order. A ```yaml block whose first line is `# NAME.yaml` is a file to write; each line
 * of a ```console block that begins with `$ ` is a command, and what follows it is its output.
 */
export const readGuide = (markdown: string): (GuideFile | GuideCommand)[] => {
  const steps: (GuideFile | GuideCommand)[] = [];
  for (const block of markdown.matchAll(/^```(yaml|console)\n(.*?)^```$/gms)) {
    const [whole, language, text = ''] = block;
    const start = block.index + whole.indexOf('\n') + 1;
    if (language === 'yaml') {
      const name = /^# (\S+\.yaml)$/m.exec(text.split('\n', 1)[0]!)?.[1];
      if (name) steps.push({ type: 'file', name, text });
      continue;
    }
    for (const entry of text.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
      const [all, command = '', output = ''] = entry;
      const end = start + entry.index + all.length;
      steps.push({ type: 'command', command, output, at: [end - output.length, end] });
    }
  }
  return steps;
};

/** The guide with other outputs for its commands, in the order of {@link readGuide}. */
export const rewriteGuide = (markdown: string, commands: readonly GuideCommand[], outputs: readonly string[]): string => {
  let text = markdown;
  for (const [index, { at }] of [...commands.entries()].toReversed()) {
    const output = outputs[index]!;
    text = text.slice(0, at[0]) + (output === '' || output.endsWith('\n') ? output : `${output}\n`) + text.slice(at[1]);
  }
  return text;
};

/**
 * Output as it can be compared between two runs: without what tells a time or a version, widths of columns, empty lines, and the order
 * of Events, which kubectl leaves to chance for those of one second.
 */
export const comparable = (output: string): string[] => {
  const lines = output
    .replace(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z/g, 'TIME')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UID')
    .replace(/(Resource Version: +)\d+/g, '$1VERSION')
    .replace(/\b\d+(\.\d+)? ?m?s\b/g, 'DURATION')
    .replace(/\bDURATION \(x\d+ over DURATION\)/g, 'DURATION')
    .split('\n')
    .map((line) => line.replace(/[-\s]{3,}|\s+/g, ' ').trim())
    .filter((line) => line !== '');
  const events = lines.findIndex((line) => line === 'Events:' || line.startsWith('LAST SEEN ')) + 1;
  return events === 0 ? lines : [...lines.slice(0, events), ...lines.slice(events).toSorted()];
};
