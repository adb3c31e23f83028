import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { proxyConfigFields } from '../../../mesh/proxy-config.ts';
import { defaultInjectionConfig } from '../config/injection-config.ts';
import { annotationTable } from './table.ts';

const reference = readFileSync(new URL('../../../../docs/reference/injection.md', import.meta.url), 'utf8');

it.each(Object.keys(annotationTable))('%s is in the reference', (name) => {
  expect(reference).toContain(`\`${name}\``);
});

it.each(proxyConfigFields)('ProxyConfig %s is in the reference', (field) => {
  expect(reference).toContain(`\`${field}\``);
});

it.each(Object.keys(defaultInjectionConfig))('configuration %s is in the reference', (field) => {
  expect(reference).toMatch(new RegExp(`\`${field}[\`.]`));
});
