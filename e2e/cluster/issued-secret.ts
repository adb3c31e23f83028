import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyOf, binFolder, run } from './run.ts';

/** Issues a certificate by an authority that is made for it, with openssl, and puts both into a Secret as cert-manager does. Resolves to the CA, in PEM. */
export const issueSecret = async (kubeConfigFile: string, secret: string, dnsName: string): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-issued-'));
  // Every authority has the same name, as one that is replaced has.
  const script = `set -e; cd "$0"
    openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=own-authority -keyout ca.key -out ca.crt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=own -keyout tls.key -out tls.csr
    printf 'subjectAltName=DNS:%s\\nextendedKeyUsage=serverAuth\\n' "$1" >names
    openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out tls.crt`;
  try {
    const made = await run(['bash', '-c', script, folder, dnsName], { mayFail: true });
    if (made.code !== 0) throw new Error(made.stderr);
    const files = ['tls.crt', 'tls.key', 'ca.crt'].map((name) => `--from-file=${join(folder, name)}`);
    const create = ['create', 'secret', 'generic', secret, '--namespace=weft-system', '--type=kubernetes.io/tls'];
    const { stdout } = await run([join(binFolder, 'kubectl'), ...create, ...files, '--dry-run=client', '-o', 'yaml']);
    await applyOf(kubeConfigFile)(stdout);
    return await readFile(join(folder, 'ca.crt'), 'utf8');
  } finally {
    await rm(folder, { recursive: true });
  }
};
