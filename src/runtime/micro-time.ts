/** Milliseconds since the epoch as Kubernetes' MicroTime, which demands exactly six digits of a second. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
