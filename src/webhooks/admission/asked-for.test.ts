import { expect, it } from 'vitest';
import { defaultInjectionConfig } from '../injector/config/injection-config.ts';
import { askedFor } from './asked-for.ts';

const config = { ...defaultInjectionConfig, revisionTags: ['stable'] };

it.each<[string, readonly string[], boolean]>([
  ['/inject', ['stable'], false],
  ['/inject/', ['stable'], false],
  ['/inject/revision', ['stable'], false],
  ['/inject/revision/default/revision/stable', ['stable'], false],
  ['/inject/revision/default/revision/prod', ['stable', 'prod'], false],
  ['/inject/cluster/east/net/one', ['stable'], false],
  ['/inject/cluster/revision/net/prod', ['stable'], false],
  ['/inject/revision/prod/unlabelled/true', ['stable', 'prod'], true],
  ['/inject/unlabelled/false', ['stable'], false],
])('%s', (path, revisionTags, enableNamespacesByDefault) => {
  expect(askedFor(config, path)).toEqual({ ...config, revisionTags, enableNamespacesByDefault });
});
