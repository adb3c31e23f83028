import { createPrivateKey, randomBytes, type webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
// The library looks for it while it is loaded.
import './reflect-metadata.ts';
import * as x509 from '@peculiar/x509';
import type { ServingCertificate } from '../runtime/webhook/certificates.ts';

/** A certificate and its key, in PEM. */
export type KeyedCertificate = ServingCertificate;

/** Certificates begin this much before they are issued, in milliseconds, for peers whose clock is slow. */
export const backdatingMs = 5 * 60_000;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** When a certificate was issued and when it ends, in milliseconds since the epoch. */
export interface Validity {
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/**
 * Makes a certificate authority: ECDSA on P-256, which may sign certificates of servers and nothing below them. Each has a name of its
 * own, so that no peer takes one for the other while two are trusted.
 */
export async function issueCa({ nowMs, lifetimeMs }: { nowMs: number; lifetimeMs: number }): Promise<KeyedCertificate> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ keys, signingAlgorithm: algorithm, serialNumber: serialNumber() },
    name: [{ O: ['Weft'] }, { CN: [`Weft CA ${randomBytes(4).toString('hex')}`] }],
    ...period(nowMs, nowMs + lifetimeMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) };
}

/**
 * Issues a certificate for a server. It ends with its authority at the latest.
 * @param names DNS names and IP addresses that it is for; at least one
 */
export async function issueServing(
  ca: KeyedCertificate,
  { nowMs, lifetimeMs, names }: { nowMs: number; lifetimeMs: number; names: readonly string[] },
): Promise<KeyedCertificate> {
  const issuer = new x509.X509Certificate(ca.certificate);
  const keys = await generateKeys();
  const endMs = Math.min(nowMs + lifetimeMs, validityOf(ca.certificate).expiresAtMs);
  const certificate = await x509.X509CertificateGenerator.create({
    ...{ publicKey: keys.publicKey, signingKey: await importKey(ca.key), signingAlgorithm: algorithm },
    ...{ serialNumber: serialNumber(), issuer: issuer.subjectName, ...period(nowMs, endMs) },
    // A common name has 64 characters at most; clients read the alternative names alone.
    subject: [{ O: ['Weft'] }, { CN: ['Weft control plane'] }],
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) };
}

/** Reads when a certificate of this module was issued and when it ends. Throws if the text is no certificate. */
export function validityOf(certificate: string): Validity {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  return { issuedAtMs: validFromDate.getTime() + backdatingMs, expiresAtMs: validToDate.getTime() };
}

/** Whether the certificate was signed by this authority. */
export function isIssuedBy(certificate: string, ca: string): boolean {
  const [issued, issuer] = [new X509Certificate(certificate), new X509Certificate(ca)];
  return issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
}

/** Whether a certificate is for all of these names and addresses. */
export function isFor(certificate: string, names: readonly string[]): boolean {
  const read = new X509Certificate(certificate);
  return names.every((name) => (isIP(name) ? read.checkIP(name) : read.checkHost(name, { wildcards: false })) !== undefined);
}

/** Throws, saying why, unless the text is one certificate and the key belongs to it. */
export function checkPair({ certificate, key }: KeyedCertificate): void {
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
    throw new Error('the key does not belong to the certificate');
}

function generateKeys() {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY').concat('\n');
}

function importKey(pemText: string) {
  const der = createPrivateKey(pemText).export({ type: 'pkcs8', format: 'der' });
  return crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

/** RFC 5280 4.1.2.2: positive, at most 20 octets. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

/** Certificates count in whole seconds. */
function period(nowMs: number, endMs: number): { notBefore: Date; notAfter: Date } {
  const seconds = (ms: number) => new Date(Math.floor(ms / 1000) * 1000);
  return { notBefore: seconds(nowMs - backdatingMs), notAfter: seconds(endMs) };
}
