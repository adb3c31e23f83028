import { caDirectory, secretsDirectory, tokenDirectory, tokenFile } from '../bootstrap/credentials.ts';
import type { InjectionConfig } from '../config/injection-config.ts';
import type { Named, VolumeMount } from '../pod.ts';
import type { InjectionSettings } from '../settings.ts';

/** Where the annotation `sidecar.istio.io/bootstrapOverride` is mounted, and the file in it. Istio's. */
const overrideDirectory = '/etc/istio/custom-bootstrap';
export const overridePath = `${overrideDirectory}/custom_bootstrap.json`;

/** A volume of the pod and where the sidecar has it. */
interface MountedVolume {
  readonly volume: Named;
  readonly mount: VolumeMount;
}

/** Annotations that the pod gets only to have them as files. By the name of the file. */
export function fileAnnotation(file: string): string {
  return `injection.weft.dev/${file}`;
}

/**
 * The volumes that the sidecar needs, and those that the pod's annotations name.
 * @param files names of the files that come from annotations of the pod itself
 */
export function volumesOf(
  { annotations }: InjectionSettings,
  { xds }: InjectionConfig,
  files: readonly string[],
): { volumes: Named[]; mounts: VolumeMount[] } {
  const mounted = [
    ...(xds.tls ? credentials(xds, files) : []),
    ...bootstrapOverride(annotations['sidecar.istio.io/bootstrapOverride']),
  ];
  const userVolumes = Object.entries(annotations['sidecar.istio.io/userVolume'] ?? {});
  const userMounts = Object.entries(annotations['sidecar.istio.io/userVolumeMount'] ?? {});
  return {
    volumes: [...mounted.map(({ volume }) => volume), ...userVolumes.map(([name, source]) => ({ name, ...source }))],
    mounts: [
      ...mounted.map(({ mount }) => mount),
      ...userMounts.map(([name, mount]) => ({ name, ...(mount as { readonly mountPath: string }) })),
    ],
  };
}

function credentials(xds: InjectionConfig['xds'], files: readonly string[]): MountedVolume[] {
  const { tokenAudience: audience, tokenExpirationSeconds: expirationSeconds, caConfigMap, caKey } = xds;
  return [
    {
      volume: {
        name: 'istio-token',
        projected: { sources: [{ serviceAccountToken: { path: tokenFile, expirationSeconds, audience } }] },
      },
      mount: { name: 'istio-token', mountPath: tokenDirectory, readOnly: true },
    },
    {
      volume: { name: 'istiod-ca-cert', configMap: { name: caConfigMap, items: [{ key: caKey, path: caKey }] } },
      mount: { name: 'istiod-ca-cert', mountPath: caDirectory, readOnly: true },
    },
    {
      volume: {
        name: 'istio-envoy',
        downwardAPI: {
          items: files.map((path) => ({ path, fieldRef: { fieldPath: `metadata.annotations['${fileAnnotation(path)}']` } })),
        },
      },
      mount: { name: 'istio-envoy', mountPath: secretsDirectory, readOnly: true },
    },
  ];
}

function bootstrapOverride(configMap: string | undefined): MountedVolume[] {
  if (configMap === undefined) return [];
  const name = 'custom-bootstrap-volume';
  return [
    {
      volume: { name, configMap: { name: configMap } },
      mount: { name, mountPath: overrideDirectory, readOnly: true },
    },
  ];
}
