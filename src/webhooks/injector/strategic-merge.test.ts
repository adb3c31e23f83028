import { describe, expect, it } from 'vitest';
import { mergeContainer, mergePod } from './strategic-merge.ts';

describe('mergePod', () => {
  it('merges containers by name, new ones at the end, and leaves its arguments alone', () => {
    const pod = { spec: { containers: [{ name: 'a', image: 'a:1', args: ['x', 'y'] }, { name: 'b' }] } };
    const before = structuredClone(pod);
    const merged = mergePod(pod, { spec: { containers: [{ name: 'c' }, { name: 'a', args: ['z'], tty: true }] } });
    expect(merged).toEqual({
      spec: { containers: [{ name: 'a', image: 'a:1', args: ['z'], tty: true }, { name: 'b' }, { name: 'c' }] },
    });
    expect(pod).toEqual(before);
  });

  it('removes by null and by $patch', () => {
    const pod = {
      metadata: { labels: { a: '1', b: '2' }, annotations: { c: '3' } },
      spec: { volumes: [{ name: 'v' }, { name: 'w' }], imagePullSecrets: [{ name: 's' }], tolerations: [{ key: 'k' }] },
    };
    const overlay = {
      metadata: { labels: { a: null }, annotations: { $patch: 'replace', d: '4' } },
      spec: {
        volumes: [{ name: 'v', $patch: 'delete' }],
        imagePullSecrets: [{ $patch: 'replace' }, { name: 't' }],
        tolerations: [],
      },
    };
    expect(mergePod(pod, overlay)).toEqual({
      metadata: { labels: { b: '2' }, annotations: { d: '4' } },
      spec: { volumes: [{ name: 'w' }], imagePullSecrets: [{ name: 't' }], tolerations: [] },
    });
  });

  it('adds to sets', () => {
    expect(mergePod({ metadata: { finalizers: ['a'] } }, { metadata: { finalizers: ['a', 'b'] } })).toEqual({
      metadata: { finalizers: ['a', 'b'] },
    });
  });
});

describe('mergeContainer', () => {
  it('merges environment by name, mounts by path, ports by number', () => {
    const merged = mergeContainer(
      {
        name: 'p',
        env: [{ name: 'A', value: '1' }],
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
        ports: [{ containerPort: 1, name: 'x' }],
      },
      {
        env: [
          { name: 'A', value: '2' },
          { name: 'B', value: '3' },
        ],
        volumeMounts: [{ name: 'w', mountPath: '/v' }],
        ports: [{ containerPort: 1, protocol: 'TCP' }],
      },
    );
    expect(merged).toEqual({
      name: 'p',
      env: [
        { name: 'A', value: '2' },
        { name: 'B', value: '3' },
      ],
      volumeMounts: [{ name: 'w', mountPath: '/v' }],
      ports: [{ containerPort: 1, name: 'x', protocol: 'TCP' }],
    });
  });

  it('puts an alternative in the place of the other', () => {
    const base = {
      env: [{ name: 'A', valueFrom: { fieldRef: {} } }],
      lifecycle: { preStop: { exec: { command: ['a'] } } },
      readinessProbe: { httpGet: { path: '/a', port: 1 }, periodSeconds: 5 },
    };
    const overlay = {
      env: [{ name: 'A', value: '1' }],
      lifecycle: { preStop: { sleep: { seconds: 1 } } },
      readinessProbe: { tcpSocket: { port: 2 } },
    };
    expect(mergeContainer(base, overlay)).toEqual({ ...overlay, readinessProbe: { tcpSocket: { port: 2 }, periodSeconds: 5 } });
    expect(mergeContainer(base, { readinessProbe: { httpGet: { path: '/b' } } }).readinessProbe).toEqual({
      httpGet: { path: '/b', port: 1 },
      periodSeconds: 5,
    });
  });
});
