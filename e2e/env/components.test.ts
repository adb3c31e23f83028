import { describe, expect, it, vi } from 'vitest';
import { describeMissing, envoyComponent, listComponents } from './components.ts';

describe('components', () => {
  it('names each, and for a missing one the command that provides it', async () => {
    const components = await listComponents();
    expect(components.map(({ name }) => name)).toEqual(['Envoy', 'IPv6', 'interception', 'kube-apiserver']);
    for (const { present, detail, remedy } of components) {
      expect(detail).not.toBe('');
      expect(remedy === undefined).toBe(present);
    }
  });

  it('tells why Envoy cannot be had, and how to have it', async () => {
    vi.stubEnv('WEFT_ENVOY', '/no/such/envoy');
    const component = await envoyComponent({ fetch: true });
    vi.unstubAllEnvs();
    const text = describeMissing([component]);
    expect(text).toContain('left out: traffic and xDS with a real Envoy 1.40.0');
    expect(text).toContain('WEFT_ENVOY is /no/such/envoy, and no program is there');
    expect(text).toContain('to have it: Fetch it yourself');
  });

  it('has nothing to say when all is here', () => {
    expect(describeMissing([{ name: 'Envoy', purpose: 'x', present: true, detail: '/envoy' }])).toBe('');
  });
});
