import { describe, expect, it } from 'vitest';
import { shown } from '../../../api/structure.ts';
import { readAnnotations } from './read-annotations.ts';
import { type AnnotationName, annotationTable } from './table.ts';

const good: { readonly [Name in AnnotationName]: readonly (readonly [text: string, value: unknown])[] } = {
  'sidecar.istio.io/inject': [
    ['true', 'true'],
    ['', ''],
  ],
  'inject.istio.io/templates': [['sidecar, extra', ['sidecar', 'extra']]],
  'traffic.sidecar.istio.io/includeOutboundIPRanges': [
    ['*', '*'],
    ['', []],
    ['10.0.0.0/8,::/0', ['10.0.0.0/8', '::/0']],
  ],
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': [
    ['', []],
    ['2001:db8::/32', ['2001:db8::/32']],
  ],
  'traffic.sidecar.istio.io/includeOutboundPorts': [['80, 443', [80, 443]]],
  'traffic.sidecar.istio.io/excludeOutboundPorts': [
    [' ', []],
    ['53', [53]],
  ],
  'traffic.sidecar.istio.io/includeInboundPorts': [
    ['*', '*'],
    ['', []],
    ['0,65535', [0, 65535]],
  ],
  'traffic.sidecar.istio.io/excludeInboundPorts': [['22', [22]]],
  'traffic.sidecar.istio.io/excludeInterfaces': [
    ['eth0,veth+', ['eth0', 'veth+']],
    ['', []],
  ],
  'sidecar.istio.io/interceptionMode': [
    ['REDIRECT', 'REDIRECT'],
    ['TPROXY', 'TPROXY'],
    ['NONE', 'NONE'],
  ],
  'sidecar.istio.io/proxyImage': [
    ['envoy', 'envoy'],
    [`r.example.com:5000/a/b__c:v1.Z_-@sha256:${'0'.repeat(64)}`, `r.example.com:5000/a/b__c:v1.Z_-@sha256:${'0'.repeat(64)}`],
    ['[2001:db8::1]:5000/envoy', '[2001:db8::1]:5000/envoy'],
    ['Mirror/envoy', 'Mirror/envoy'],
  ],
  'sidecar.istio.io/proxyCPU': [
    ['100m', '100m'],
    ['0.5', '0.5'],
    ['1e3', '1e3'],
  ],
  'sidecar.istio.io/proxyCPULimit': [['2', '2']],
  'sidecar.istio.io/proxyMemory': [
    ['128Mi', '128Mi'],
    ['1G', '1G'],
  ],
  'sidecar.istio.io/proxyMemoryLimit': [['1Gi', '1Gi']],
  'sidecar.istio.io/logLevel': [
    ['debug', 'debug'],
    ['off', 'off'],
  ],
  'sidecar.istio.io/componentLogLevel': [
    ['', ''],
    ['misc:error,config:trace', 'misc:error,config:trace'],
  ],
  'sidecar.istio.io/userVolume': [
    ['{"a":{"emptyDir":{}}}', [{ name: 'a', emptyDir: {} }]],
    ['[{"name":"a","csi":{"driver":"x"}}]', [{ name: 'a', csi: { driver: 'x' } }]],
    ['[]', []],
  ],
  'sidecar.istio.io/userVolumeMount': [
    ['{"a":{"mountPath":"/a","readOnly":true}}', [{ name: 'a', mountPath: '/a', readOnly: true }]],
    // Two mounts of one volume.
    [
      '[{"name":"a","mountPath":"/x","subPath":"s"},{"name":"a","mountPath":"/y"}]',
      [
        { name: 'a', mountPath: '/x', subPath: 's' },
        { name: 'a', mountPath: '/y' },
      ],
    ],
  ],
  'sidecar.istio.io/bootstrapOverride': [['my-bootstrap.v1', 'my-bootstrap.v1']],
  'sidecar.istio.io/nativeSidecar': [
    ['true', true],
    ['F', false],
  ],
  'sidecar.istio.io/rewriteAppHTTPProbers': [['0', false]],
  'status.sidecar.istio.io/port': [
    ['0', 0],
    ['15020', 15020],
  ],
  'readiness.status.sidecar.istio.io/initialDelaySeconds': [['0', 0]],
  'readiness.status.sidecar.istio.io/periodSeconds': [['7', 7]],
  'readiness.status.sidecar.istio.io/failureThreshold': [['2147483647', 2147483647]],
  'prometheus.istio.io/merge-metrics': [['false', false]],
  'proxy.istio.io/config': [['concurrency: 2', { config: { concurrency: 2 }, problems: [], ignored: [], unknown: [] }]],
};

const bad: { readonly [Name in AnnotationName]: readonly (readonly [text: string, reason: string])[] } = {
  'sidecar.istio.io/inject': [['yes', 'expected one of true, false, an empty value']],
  'inject.istio.io/templates': [
    ['', 'expected names divided by commas'],
    ['a,,b', 'expected names'],
  ],
  'traffic.sidecar.istio.io/includeOutboundIPRanges': [
    ['10.0.0.1', '"10.0.0.1" is not a range; expected one such as 10.0.0.0/8'],
    ['10.0.0.0/8, ::/0', '" ::/0" is not a CIDR block'],
    ['*,10.0.0.0/8', '"*" is not a range'],
    ['10.0.0.0/33', 'the prefix length must be between 0 and 32'],
    ['fe80::1%eth0/64', 'is not an IP address'],
  ],
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': [['*', '"*" is not a range']],
  'traffic.sidecar.istio.io/includeOutboundPorts': [
    ['*', 'expected a port'],
    ['80-90', 'expected a port'],
  ],
  'traffic.sidecar.istio.io/excludeOutboundPorts': [
    ['65536', 'expected a port from 0 to 65535, found "65536"'],
    ['80,', 'found ""'],
  ],
  'traffic.sidecar.istio.io/includeInboundPorts': [
    ['http', 'found "http"'],
    ['*,80', 'found "*"'],
  ],
  'traffic.sidecar.istio.io/excludeInboundPorts': [
    ['-1', 'found "-1"'],
    ['80;90', 'expected a port'],
  ],
  'traffic.sidecar.istio.io/excludeInterfaces': [
    ['eth0, eth1', '" eth1" is not the name'],
    ['a-name-too-long-', 'is not the name'],
    ['-j', 'is not the name'],
  ],
  'sidecar.istio.io/interceptionMode': [['redirect', 'expected one of REDIRECT, TPROXY, NONE']],
  'sidecar.istio.io/proxyImage': [
    ['', 'expected a reference to an image'],
    ['a b', 'expected a reference'],
    ['Envoy:v1::x@@', 'its name is in lower case'],
    ['r.example.com/Envoy:v1', 'its name is in lower case'],
    ['envoy:', 'expected a reference'],
    ['envoy:.v1', 'expected a reference'],
    ['envoy//x', 'expected a reference'],
    ['https://r.example.com/envoy', 'expected a reference'],
    ['a'.repeat(256), 'no more than 255 characters'],
    ['0'.repeat(64), 'expected a reference'],
    ['envoy@sha256:00', 'expected a reference'],
    [`envoy@sha256:${'0'.repeat(63)}`, 'is not a digest'],
    [`envoy@md5:${'0'.repeat(32)}`, 'is not a digest'],
    [`envoy@sha256:${'A'.repeat(64)}`, 'is not a digest'],
  ],
  'sidecar.istio.io/proxyCPU': [
    ['lots', 'expected a quantity such as 100m or 128Mi'],
    ['-1', 'expected a quantity'],
    ['', 'expected a quantity'],
  ],
  'sidecar.istio.io/proxyCPULimit': [['1 ', 'expected a quantity']],
  'sidecar.istio.io/proxyMemory': [
    ['128MB', 'expected a quantity'],
    ['1\n', 'expected a quantity'],
  ],
  'sidecar.istio.io/proxyMemoryLimit': [['Gi', 'expected a quantity']],
  'sidecar.istio.io/logLevel': [['verbose', 'expected one of trace, debug']],
  'sidecar.istio.io/componentLogLevel': [
    ['debug', 'expected COMPONENT:LEVEL'],
    ['http:loud', 'found "http:loud"'],
    ['foo:debug', 'Envoy has no component "foo"; it has a2a, admin,'],
    ['http:debug,', 'found ""'],
  ],
  'sidecar.istio.io/userVolume': [
    ['{', 'it is not JSON'],
    ['"a"', 'expected a JSON map'],
    ['{"A_b":{}}', '"A_b" is not the name of a volume'],
    ['{"a":1}', 'volume a: expected a map, found 1'],
    ['{"a":{"emptydir":{}}}', 'volume a: Kubernetes has no source of volumes named "emptydir"; it has emptyDir'],
    ['{"a":{"hostpath":{"path":"/x"},"emptyDir":{}}}', 'named "hostpath"; it has hostPath'],
    ['{"a":{}}', 'volume a: expected one source, such as emptyDir or configMap; found none'],
    ['{"a":{"emptyDir":{},"secret":{}}}', 'found emptyDir and secret'],
    ['{"a":{"secret":null}}', 'volume a: secret: expected a map, found null'],
    ['[{"name":"a","emptyDir":{}},{"name":"a","emptyDir":{}}]', 'volume a: it stands there twice'],
  ],
  'sidecar.istio.io/userVolumeMount': [
    ['{"a":{}}', 'volume a: mountPath must be an absolute path'],
    ['{"a":{"mountPath":"/a:b"}}', 'without a colon'],
    ['{"a":{"mountPath":"/a","readonly":true}}', 'no field of mounts named "readonly"; it has readOnly'],
    ['{"a":{"mountPath":"/a","readOnly":"true"}}', 'readOnly: expected a boolean, found "true"'],
    ['{"a":{"name":"b","mountPath":"/a"}}', 'to mount a volume twice, write a list'],
    ['[{"mountPath":"/a"}]', 'nothing is not the name'],
  ],
  'sidecar.istio.io/bootstrapOverride': [['My Config', 'expected the name of an object']],
  'sidecar.istio.io/nativeSidecar': [
    ['maybe', 'expected true or false'],
    ['', 'expected true or false'],
  ],
  'sidecar.istio.io/rewriteAppHTTPProbers': [['no', 'expected true or false']],
  'status.sidecar.istio.io/port': [
    ['http', 'expected a port'],
    ['70000', 'expected a port'],
  ],
  'readiness.status.sidecar.istio.io/initialDelaySeconds': [['1s', 'expected a whole number']],
  'readiness.status.sidecar.istio.io/periodSeconds': [['-1', 'expected a whole number']],
  'readiness.status.sidecar.istio.io/failureThreshold': [['2147483648', 'expected a whole number from 0 to 2147483647']],
  'prometheus.istio.io/merge-metrics': [['off', 'expected true or false']],
  'proxy.istio.io/config': [
    ['concurrency: many', 'concurrency: expected a whole number from 0 to 1024, found "many"'],
    ['concurency: 2', 'concurency: ProxyConfig has no such field'],
    ['{', 'it is not YAML'],
    ['- a', 'expected a map of ProxyConfig fields'],
    ['terminationDrainDuration: 5', 'terminationDrainDuration: expected a duration such as 5s, found 5'],
    ['holdApplicationUntilProxyStarts: "yes"', 'expected true or false, found "yes"'],
    ['discoveryAddress: weft', 'expected HOST:PORT, found "weft"'],
    ['proxyMetadata: [a]', 'proxyMetadata: expected a map of texts'],
    ['proxyMetadata: {A=B: 1}', 'proxyMetadata: expected a map by names of environment variables, which "A=B" is not'],
  ],
};

const names = Object.keys(annotationTable) as AnnotationName[];

describe('annotations', () => {
  it.each(names.flatMap((name) => good[name].map(([text, value]) => [name, text, value] as const)))(
    '%s: %j',
    (name, text, value) => {
      expect(readAnnotations({ [name]: text })).toEqual({ values: { [name]: value }, warnings: [] });
    },
  );

  it.each(names.flatMap((name) => bad[name].map(([text, reason]) => [name, text, reason] as const)))(
    '%s: %j is refused',
    (name, text, reason) => {
      expect(() => readAnnotations({ [name]: text })).toThrow(`invalid value ${shown(text)} for annotation ${name}: `);
      expect(() => readAnnotations({ [name]: text })).toThrow(reason);
    },
  );

  it('names all that are bad at once, and cuts what is long', () => {
    const texts = { 'sidecar.istio.io/proxyCPU': 'x'.repeat(1000), 'sidecar.istio.io/logLevel': 'loud', other: '1' };
    expect(() => readAnnotations(texts)).toThrow(
      /^invalid value "x{100}…" for annotation sidecar\.istio\.io\/proxyCPU: .*; invalid value "loud" for/,
    );
  });

  it('tells what has no effect', () => {
    const texts = {
      'sidecar.istio.io/agentLogLevel': 'debug',
      'traffic.sidecar.istio.io/excludeOutboundPort': '25',
      'proxy.istio.io/config': 'tracing: {}',
      'example.com/anything': '',
      'sidecar.istio.io/status': '{}',
    };
    expect(readAnnotations(texts).warnings).toEqual([
      'annotation sidecar.istio.io/agentLogLevel has no effect: there is no agent',
      'annotation traffic.sidecar.istio.io/excludeOutboundPort is not known and has no effect',
      'annotation proxy.istio.io/config: tracing has no effect',
    ]);
  });
});
