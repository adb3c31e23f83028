import { caDirectory, secretsDirectory, tokenDirectory, tokenFile } from '../bootstrap/credentials.ts';
import type { InjectionConfig } from '../config/injection-config.ts';
import { InjectionRefusal } from '../injection.ts';
import type { Named, PodSpec, VolumeMount } from '../pod.ts';
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
 * The volumes that the sidecar needs, and those that the pod's annotations name. Throws an {@link InjectionRefusal} for an annotation that
 * takes the name or the path of one of the sidecar's own.
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
  const volumes = mounted.map(({ volume }) => volume);
  const mounts = mounted.map(({ mount }) => mount);
  for (const volume of annotations['sidecar.istio.io/userVolume'] ?? []) {
    if (volumes.some(({ name }) => volume.name === name))
      throw refusal('userVolume', volume.name, 'it is the name of a volume of the sidecar itself');
    volumes.push(volume);
  }
  for (const mount of annotations['sidecar.istio.io/userVolumeMount'] ?? []) {
    const other = mounts.find(({ mountPath }) => mountPath === mount.mountPath);
    if (other) throw refusal('userVolumeMount', mount.name, `${mount.mountPath} is where volume ${other.name} is mounted`);
    mounts.push(mount);
  }
  return { volumes, mounts };
}

/** A volume that is mounted and not there may come from another webhook; if none has it, the API server does not say who wanted it. */
export function missingVolumes({ annotations }: InjectionSettings, { volumes = [] }: PodSpec): string[] {
  const mounted = new Set(annotations['sidecar.istio.io/userVolumeMount']?.map(({ name }) => name));
  return [...mounted]
    .filter((name) => !volumes.some((volume) => volume.name === name))
    .map(
      (name) =>
        `annotation sidecar.istio.io/userVolumeMount: there is no volume ${name} yet, neither in the pod nor in sidecar.istio.io/userVolume`,
    );
}

/**
 * Throws an {@link InjectionRefusal} where the pod has a volume with the name of one that is to be injected.
 * @param base as it was before
 * @param injected the names that {@link volumesOf} gave
 */
export function refuseTakenVolumes(base: PodSpec, injected: readonly Named[], { annotations }: InjectionSettings): void {
  const taken = base.volumes?.find(({ name }) => injected.some((volume) => volume.name === name));
  if (!taken) return;
  if (annotations['sidecar.istio.io/userVolume']?.some(({ name }) => name === taken.name)) {
    const remedy = 'to have that one in the sidecar, name it in sidecar.istio.io/userVolumeMount alone';
    throw refusal('userVolume', taken.name, `the pod has a volume of that name itself; ${remedy}`);
  }
  throw new InjectionRefusal(`it has a volume named ${taken.name} itself, which is the name of an injected one; rename it`);
}

function refusal(annotation: 'userVolume' | 'userVolumeMount', volume: string, reason: string): InjectionRefusal {
  return new InjectionRefusal(`annotation sidecar.istio.io/${annotation}: volume ${volume}: ${reason}`);
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
