import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseOptions, projectRoot } from './options.ts';

describe('parseOptions', () => {
  it('runs on samples/ until interrupted', () => {
    expect(parseOptions([], projectRoot)).toEqual({ samples: 'samples', durationMs: undefined, envoy: true });
  });

  it('finds samples/ from elsewhere', () => {
    expect(parseOptions([], '/')?.samples).toBe(join(projectRoot, 'samples').slice(1));
    expect(parseOptions([], join(projectRoot, 'demo'))?.samples).toBe(join(projectRoot, 'samples'));
  });

  it('reads every option', () => {
    const args = ['--samples', 'mine', '--duration', '2.5', '--no-envoy'];
    expect(parseOptions(args)).toEqual({ samples: 'mine', durationMs: 2500, envoy: false });
    expect(parseOptions(['--help'])).toBeUndefined();
  });

  it.each(['0', '-1', 'soon', ''])('refuses to run for %j seconds', (duration) => {
    expect(() => parseOptions([`--duration=${duration}`])).toThrow('expected a number of seconds above 0');
  });

  it('says which option it does not know', () => {
    expect(() => parseOptions(['--envoy-version', '2'])).toThrow("'--envoy-version'");
  });
});
