import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import type { Database } from '@yourclaw/db'
import type { Clock } from '../context.ts'
import { invalidInput } from '../errors.ts'
import type { Vault } from '../lib/vault.ts'
import type { CertificateSigner } from '../services/host/signer.ts'

/** What agents check the server's certificate against, whatever address they dial. */
export const serverName = 'control-plane.yourclaw.internal'
export const hostCertificateTtlMs = 24 * 3_600_000

const authorityId = 'hosts'
const dayMs = 24 * 3_600_000
/** Certificates start a little in the past: hosts' clocks may be five minutes behind ours. */
const skewMs = 10 * 60_000
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

x509.cryptoProvider.set(webcrypto as unknown as Crypto)

export interface Authority extends CertificateSigner {
  caPem: string
  /** A key and certificate for this process's gRPC server; the key is made here and kept in memory only. */
  issueServerCertificate(): Promise<{ certificatePem: string; keyPem: string }>
}

/** Opens the authority that signs hosts, making it when it is not there yet. Replicas may race: the first row wins. */
export async function openAuthority(deps: { db: Database; vault: Vault; clock: Clock }): Promise<Authority> {
  const stored =
    (await deps.db.certificateAuthority.findUnique({ where: { id: authorityId } })) ?? (await found(deps))
  const certificate = new x509.X509Certificate(stored.certificatePem)
  const pkcs8 = x509.PemConverter.decodeFirst(await deps.vault.open(stored.keyEncrypted))
  const key = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
  const caPem = certificate.toString('pem')

  const sign = async (input: {
    publicKey: x509.PublicKeyType
    subject: string
    names: x509.JsonGeneralNames
    usage: x509.ExtendedKeyUsage
    nowMs: number
    ttlMs: number
  }) => {
    const serial = newSerial()
    const notAfter = new Date(Math.floor((input.nowMs + input.ttlMs) / 1000) * 1000)
    const signed = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: input.subject,
      issuer: certificate.subject,
      notBefore: new Date(input.nowMs - skewMs),
      notAfter,
      publicKey: input.publicKey,
      signingKey: key,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([input.usage]),
        new x509.SubjectAlternativeNameExtension(input.names),
        await x509.AuthorityKeyIdentifierExtension.create(certificate),
      ],
    })
    return { certificatePem: signed.toString('pem'), caPem, serial, notAfter }
  }

  return {
    caPem,
    async signHost({ csrPem, hostId, nowMs }) {
      return sign({
        publicKey: await provenKey(csrPem),
        subject: `CN=${hostId}`,
        names: [{ type: 'url', value: `yourclaw://host/${hostId}` }],
        // A host cannot pose as the control plane with it.
        usage: x509.ExtendedKeyUsage.clientAuth,
        nowMs,
        ttlMs: hostCertificateTtlMs,
      })
    },
    async issueServerCertificate() {
      const pair = await newKeyPair()
      const signed = await sign({
        publicKey: pair.publicKey,
        subject: `CN=${serverName}`,
        names: [{ type: 'dns', value: serverName }],
        usage: x509.ExtendedKeyUsage.serverAuth,
        nowMs: deps.clock.now(),
        // As long as one process may run; every start makes a new one.
        ttlMs: 365 * dayMs,
      })
      return { certificatePem: signed.certificatePem, keyPem: await privatePem(pair.privateKey) }
    },
  }
}

/** The CSR's key, once the CSR proves that its maker holds it. */
async function provenKey(csrPem: string): Promise<x509.PublicKey> {
  const refused = (cause?: unknown) =>
    Object.assign(invalidInput('That CSR is not valid.', 'invalid_csr'), { cause })
  try {
    const request = new x509.Pkcs10CertificateRequest(csrPem)
    if (await request.verify()) return request.publicKey
  } catch (cause) {
    throw refused(cause)
  }
  throw refused()
}

async function found({ db, vault, clock }: { db: Database; vault: Vault; clock: Clock }) {
  const keys = await newKeyPair()
  const nowMs = clock.now()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: 'CN=YourClaw hosts',
    notBefore: new Date(nowMs - skewMs),
    notAfter: new Date(nowMs + 3650 * dayMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const keyEncrypted = await vault.seal(await privatePem(keys.privateKey))
  await db.certificateAuthority.createMany({
    data: [{ id: authorityId, certificatePem: certificate.toString('pem'), keyEncrypted }],
    skipDuplicates: true,
  })
  return db.certificateAuthority.findUniqueOrThrow({ where: { id: authorityId } })
}

const newKeyPair = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])

const privatePem = async (key: webcrypto.CryptoKey) =>
  x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')

/** 128 random bits; the first byte keeps the number positive and without leading zeros. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.toString('hex')
}
