import { describe, expect, it } from 'vitest';
import { comparable, type GuideCommand, readGuide, rewriteGuide } from './guide.ts';

const guide = `# A guide

\`\`\`yaml
# a.yaml
kind: A
\`\`\`
Then:

\`\`\`console
$ one --flag
first
second
$ two
$ three
third
\`\`\`

\`\`\`yaml
just: shown
\`\`\`
`;

describe('a guide', () => {
  it('holds files and commands in order', () => {
    expect(readGuide(guide)).toMatchObject([
      { type: 'file', name: 'a.yaml', text: '# a.yaml\nkind: A\n' },
      { type: 'command', command: 'one --flag', output: 'first\nsecond\n' },
      { type: 'command', command: 'two', output: '' },
      { type: 'command', command: 'three', output: 'third\n' },
    ]);
  });

  it('is written anew with other outputs', () => {
    const commands = readGuide(guide).filter((step): step is GuideCommand => step.type === 'command');
    const rewritten = rewriteGuide(guide, commands, ['1', '', '3\n33\n']);
    expect(rewritten).toContain('$ one --flag\n1\n$ two\n$ three\n3\n33\n```\n');
    expect(rewritten).toContain('just: shown');
    expect(
      rewriteGuide(
        guide,
        commands,
        commands.map(({ output }) => output),
      ),
    ).toBe(guide);
  });
});

describe('comparable output', () => {
  it('is the same whenever and however wide it was printed', () => {
    expect(comparable('NAME   AGE\napi    3s\n')).toEqual(comparable('NAME    AGE\napi     12s\n'));
    expect(comparable('Started At: 2026-01-01T00:00:00.123Z\n\nUID: 123e4567-e89b-12d3-a456-426614174000')).toEqual([
      'Started At: TIME',
      'UID: UID',
    ]);
  });

  it('has events in one order', () => {
    expect(comparable('Kind: A\nEvents:\n  Normal  B  2s (x2 over 3s)\n  Normal  A  1s\n')).toEqual(
      comparable('Kind: A\nEvents:\n  Normal  A  9s\n  Normal  B  1s\n'),
    );
    expect(comparable('LAST SEEN   REASON\n2s   B\n2s   A\n')).toEqual(comparable('LAST SEEN   REASON\n9s   A\n3s   B\n'));
  });

  it('differs where the words differ', () => {
    expect(comparable('True Propagated')).not.toEqual(comparable('False Propagated'));
  });
});
