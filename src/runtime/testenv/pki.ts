import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A certificate and its key, as PEM and as files. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A certificate authority in a folder. */
export interface CertificateAuthority extends Certificate {
  /**
   * Makes a certificate. `groups` become the subject's organizations, which Kubernetes reads as groups;
   * `subjectAltNames` are openssl's: `DNS:localhost`, `IP:127.0.0.1`.
   */
  issue(file: string, user: string, groups?: readonly string[], subjectAltNames?: readonly string[]): Promise<Certificate>;
}

/** Nothing of the machine's own openssl.cnf: its extensions would be added to ours. */
const configuration = '[req]\ndistinguished_name = names\n[names]\n';

const configurationFile = 'openssl.cnf';

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

/** Makes a certificate authority. Rejects if there is no openssl 3. */
export async function createCertificateAuthority(directory: string): Promise<CertificateAuthority> {
  await writeFile(join(directory, configurationFile), configuration);
  const authority = await make(directory, 'ca', ['-subj', '/CN=testenv-ca', '-addext', 'basicConstraints=critical,CA:TRUE']);
  return {
    ...authority,
    issue: (file, user, groups = [], subjectAltNames = []) =>
      make(directory, file, [
        ...['-subj', subjectOf(user, groups), '-CA', authority.certificateFile, '-CAkey', authority.keyFile],
        ...['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'extendedKeyUsage=serverAuth,clientAuth'],
        ...(subjectAltNames.length > 0 ? ['-addext', `subjectAltName=${subjectAltNames.join(',')}`] : []),
      ]),
  };
}

/** A key pair with which an API server signs service account tokens. */
export async function writeServiceAccountKeys(directory: string): Promise<{ privateFile: string; publicFile: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const files = { privateFile: join(directory, 'service-account.key'), publicFile: join(directory, 'service-account.pub') };
  await writeFile(files.privateFile, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  await writeFile(files.publicFile, publicKey.export({ type: 'spki', format: 'pem' }));
  return files;
}

async function make(directory: string, file: string, args: readonly string[]): Promise<Certificate> {
  const [certificateFile, keyFile] = [join(directory, `${file}.crt`), join(directory, `${file}.key`)];
  const all = [
    'req',
    '-x509',
    '-utf8',
    '-config',
    join(directory, configurationFile),
    ...newKey,
    '-keyout',
    keyFile,
    '-out',
    certificateFile,
    ...args,
  ];
  try {
    await run('openssl', all);
  } catch (cause) {
    const { code, stderr = '' } = cause as { code?: unknown; stderr?: string };
    const why = code === 'ENOENT' ? 'there is no openssl; install it with: apt-get install -y openssl' : stderr.trim();
    throw new Error(`cannot make the certificate ${certificateFile}: ${why}`, { cause });
  }
  const [certificate, key] = await Promise.all([readFile(certificateFile, 'utf8'), readFile(keyFile, 'utf8')]);
  return { certificate, key, certificateFile, keyFile };
}

/** `/O=group/CN=user` with openssl's special characters escaped: names like `system:serviceaccount:ns:name` and `a/b` are whole. */
function subjectOf(user: string, groups: readonly string[]): string {
  const quote = (text: string) => text.replace(/[\\/+=]/g, '\\$&');
  return `${groups.map((group) => `/O=${quote(group)}`).join('')}/CN=${quote(user)}`;
}
