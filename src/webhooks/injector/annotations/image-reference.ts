/** A name that is a whole SHA-256 digest, which runtimes refuse: it would be an image's id. */
const bareId = /^[a-f0-9]{64}$/;

const domainPart = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const domain = `(?:${domainPart}(?:\\.${domainPart})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?`;
const pathPart = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const tag = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const reference = new RegExp(
  `^(?:(?<domain>${domain})/)?(?<path>${pathPart}(?:/${pathPart})*)(?::${tag})?(?:@(?<digest>${digest}))?$`,
);

/** The digests that runtimes know, and how many digits each has. */
const digestLengths: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/**
 * What keeps a text from being a reference to an image, in the grammar of github.com/distribution/reference, by which the kubelet reads
 * it: a pod with another one ends in InvalidImageName. Undefined: it is one.
 */
export function imageProblem(text: string): string | undefined {
  const expected = 'expected a reference to an image, such as registry.example.com/envoyproxy/envoy:v1.40.0';
  if (text.length > 1024) return expected;
  const { groups } = reference.exec(text) ?? {};
  if (!groups || bareId.test(text)) return /[A-Z]/.test(pathOf(text)) ? `${expected}; its name is in lower case` : expected;
  const name = groups.domain === undefined ? groups.path! : `${groups.domain}/${groups.path}`;
  if (name.length > 255) return 'the name of an image has no more than 255 characters';
  const [algorithm = '', digits = ''] = groups.digest?.split(':') ?? [];
  const length = Object.hasOwn(digestLengths, algorithm) ? digestLengths[algorithm] : undefined;
  if (groups.digest !== undefined && (length !== digits.length || digits !== digits.toLowerCase()))
    return `${JSON.stringify(groups.digest)} is not a digest; expected sha256: and 64 digits of 0-9 and a-f`;
  return undefined;
}

/** The part of a text that would be the image's name. */
function pathOf(text: string): string {
  return text
    .replace(/@.*$/, '')
    .replace(/:[^/]*$/, '')
    .replace(/^[^/]*[.:][^/]*\//, '');
}
