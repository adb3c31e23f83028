import { connect } from 'node:tls';

/**
 * What a TLS server shows to a client that trusts the bundle: its SHA-256 fingerprint. Rejects if the bundle does not vouch for it.
 * @param address `HOST:PORT`
 * @param ca in PEM
 */
export const shownAt = (address: string, ca: string): Promise<string> =>
  new Promise<string>((resolve, reject) => {
    const [host, port] = address.split(':');
    const socket = connect({ host, port: Number(port), ca, ALPNProtocols: ['h2', 'http/1.1'] }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
