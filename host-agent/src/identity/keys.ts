import 'reflect-metadata'
import { createHash, createPrivateKey, KeyObject, X509Certificate } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import { AgentError } from '../errors.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** A key made on this host, which it never leaves, and the request for a certificate over it. Both PEM. */
export async function createKeyAndCsr(name: string): Promise<{ privateKeyPem: string; csrPem: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: algorithm,
  })
  const privateKeyPem = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString()
  return { privateKeyPem, csrPem: csr.toString('pem') }
}

/** Refuses an answer that is not for our key or not from the authority it names, or whose authority is not pinned. */
export function checkCertificate(input: {
  privateKeyPem: string
  certificatePem: string
  caPem: string
  caPin?: string | undefined
}): void {
  const certificate = new X509Certificate(input.certificatePem)
  const ca = new X509Certificate(input.caPem)
  if (!certificate.checkPrivateKey(createPrivateKey(input.privateKeyPem))) {
    throw new AgentError('certificate_mismatch', 'The certificate is not for the key of this host.')
  }
  if (!certificate.verify(ca.publicKey)) {
    throw new AgentError(
      'certificate_mismatch',
      'The certificate is not from the authority that came with it.',
    )
  }
  if (input.caPin !== undefined && input.caPin !== spkiPin(input.caPem)) {
    throw new AgentError('ca_pin_mismatch', 'The authority is not the one in CONTROL_PLANE_CA_PIN.')
  }
}

/** sha256: and the hex digest of the certificate's public key. */
export function spkiPin(certificatePem: string): string {
  const spki = new X509Certificate(certificatePem).publicKey.export({ type: 'spki', format: 'der' })
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`
}
