import { isDnsLabel } from '../../../api/hostname.ts';
import type { Named, VolumeMount } from '../pod.ts';
import { BadValue, type ValueReader } from './values.ts';

/** Where Kubernetes takes a volume's content from: the fields of core/v1 VolumeSource. */
const volumeSources: ReadonlySet<string> = new Set(
  [
    'awsElasticBlockStore azureDisk azureFile cephfs cinder configMap csi downwardAPI emptyDir ephemeral fc flexVolume flocker',
    'gcePersistentDisk gitRepo glusterfs hostPath image iscsi nfs persistentVolumeClaim photonPersistentDisk portworxVolume projected',
    'quobyte rbd scaleIO secret storageos vsphereVolume',
  ].flatMap((line) => line.split(' ')),
);

/** The fields of core/v1 VolumeMount, and what each holds. */
const mountFields: Readonly<Record<string, 'string' | 'boolean'>> = {
  mountPath: 'string',
  mountPropagation: 'string',
  readOnly: 'boolean',
  recursiveReadOnly: 'string',
  subPath: 'string',
  subPathExpr: 'string',
};

/**
 * Volumes in JSON: a map from the name of each to its source, or a list of volumes. Each has one source that Kubernetes has: what the API
 * server does not know it drops, and makes a volume without a source an empty directory.
 */
export const readVolumes: ValueReader<readonly Named[]> = (text) => {
  const volumes = readNamed(text);
  for (const [index, { name, ...content }] of volumes.entries()) {
    if (volumes.findIndex((other) => other.name === name) !== index) throw new BadValue(`volume ${name}: it stands there twice`);
    const fields = Object.keys(content);
    refuseUnknown(name, fields, [...volumeSources], 'source of volumes');
    const [source] = fields;
    if (source === undefined || fields.length > 1)
      throw new BadValue(
        `volume ${name}: expected one source, such as emptyDir or configMap; found ${fields.join(' and ') || 'none'}`,
      );
    if (!isMap(content[source])) throw new BadValue(`volume ${name}: ${source}: expected a map, found ${brief(content[source])}`);
  }
  return volumes;
};

/** Mounts in JSON: a map from the name of a volume to its mount, or a list of mounts, in which a volume may stand more than once. */
export const readVolumeMounts: ValueReader<readonly VolumeMount[]> = (text) =>
  readNamed(text).map(({ name, ...content }) => {
    refuseUnknown(name, Object.keys(content), Object.keys(mountFields), 'field of mounts');
    for (const [field, value] of Object.entries(content)) {
      if (typeof value !== mountFields[field])
        throw new BadValue(`volume ${name}: ${field}: expected a ${mountFields[field]}, found ${brief(value)}`);
    }
    const { mountPath } = content;
    if (typeof mountPath !== 'string' || !mountPath.startsWith('/') || mountPath.includes(':'))
      throw new BadValue(`volume ${name}: mountPath must be an absolute path without a colon`);
    return { name, ...content, mountPath };
  });

/** The entries of a list, or of a map by their names, in JSON; each with its name. */
function readNamed(text: string): Named[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BadValue(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isMap(value) && !Array.isArray(value)) throw new BadValue('expected a JSON map from the name of a volume to its content');
  const entries: (readonly [unknown, unknown])[] = Array.isArray(value)
    ? value.map((entry) => [isMap(entry) ? entry.name : undefined, entry] as const)
    : Object.entries(value);
  return entries.map(([name, content]) => {
    if (typeof name !== 'string' || !isDnsLabel(name) || name !== name.toLowerCase())
      throw new BadValue(`${brief(name)} is not the name of a volume`);
    if (!isMap(content)) throw new BadValue(`volume ${name}: expected a map, found ${brief(content)}`);
    if (content.name !== undefined && content.name !== name)
      throw new BadValue(`volume ${name}: its name is ${brief(content.name)} inside; to mount a volume twice, write a list`);
    const { name: _, ...rest } = content;
    return { name, ...rest };
  });
}

function refuseUnknown(volume: string, fields: readonly string[], known: readonly string[], what: string): void {
  const unknown = fields.find((field) => !known.includes(field));
  if (unknown === undefined) return;
  const meant = known.find((field) => field.toLowerCase() === unknown.toLowerCase());
  throw new BadValue(`volume ${volume}: Kubernetes has no ${what} named ${brief(unknown)}${meant ? `; it has ${meant}` : ''}`);
}

/** A value in JSON, cut where it is long. */
function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
