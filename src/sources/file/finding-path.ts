const plainKey = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Keys and indexes as people write them: `items[2].metadata.labels["app.kubernetes.io/name"]`. */
export function formatFindingPath(segments: readonly (string | number)[]): string {
  let path = '';
  for (const segment of segments) {
    if (typeof segment === 'number') path += `[${segment}]`;
    else if (!plainKey.test(segment)) path += `[${JSON.stringify(segment)}]`;
    else path += path === '' ? segment : `.${segment}`;
  }
  return path;
}
