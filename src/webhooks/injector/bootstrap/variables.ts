import { randomUUID } from 'node:crypto';

/** Stands before the name of a variable until the bootstrap is written; nobody can put it into a pod beforehand. */
const mark = `weft-${randomUUID()}-`;

/** The environment of the sidecar that its bootstrap refers to; the kubelet fills it in when the container starts. */
export type Variable = 'POD_NAME' | 'POD_NAMESPACE' | 'INSTANCE_IP' | 'INSTANCE_IPS' | 'SERVICE_ACCOUNT' | 'NODE_NAME';

/** A variable inside of a text of the bootstrap. */
export function variable(name: Variable): string {
  return `${mark}${name};`;
}

/**
 * The bootstrap as an argument of a container: JSON in which the kubelet replaces the variables, and nothing else: every other `$`, of a
 * label or of a probe's path, is doubled, which is how Kubernetes writes a `$` that means itself.
 */
export function writeArgument(bootstrap: object): string {
  return JSON.stringify(bootstrap)
    .replaceAll('$', '$$$$')
    .replaceAll(new RegExp(`${mark}([A-Z_]+);`, 'g'), '$$($1)');
}
