/** True for files that are read: `.yaml`, `.yml` and `.json`, but neither hidden ones nor what editors leave beside them. */
export function isConfigFile(name: string): boolean {
  return !isSkipped(name) && /\.(ya?ml|json)$/.test(name);
}

/**
 * True for entries that are never looked at: hidden files and directories, among them the `..data` and `..2026_…` of a mounted
 * ConfigMap, whose files are read through the links beside them; and editors' backups, swap and probe files.
 */
export function isSkipped(name: string): boolean {
  return name.startsWith('.') || name.endsWith('~') || /^#.*#$/.test(name) || /\.sw[a-z]$/.test(name) || name === '4913';
}

/** True for a hidden entry whose change may change what its neighbours link to: the `..data` of a mounted ConfigMap. */
export function isLinkSwap(name: string): boolean {
  return name.startsWith('..');
}
