import { createHash, X509Certificate } from 'node:crypto'
import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { conflict, forbidden, unauthenticated } from '../../errors.ts'
import { hashJoinToken } from './create-join-token.ts'
import { requireHostName } from './host-name.ts'
import type { CertificateSigner, SignedCertificate } from './signer.ts'

export interface EnrollHostInput {
  token: string
  /** PKCS#10, PEM; its key never left the host. */
  csrPem: string
  name: string
  /** The authority the host trusts, when it was told: sha256: and the hex digest of its SPKI. */
  caPin?: string | undefined
}

/**
 * Turns a join token and a CSR into a host with a certificate. The token is used up in the transaction that
 * records the certificate, so it never buys two, and a refused CSR or a pin of another authority does not spend it.
 * Errors: invalid_join_token (401), host_name_taken and ca_pin_mismatch (409), host_revoked (403),
 * invalid_csr and invalid_host_name (400).
 */
export function enrollHost({
  ctx,
  signer,
  input,
}: {
  ctx: Ctx
  signer: CertificateSigner
  input: EnrollHostInput
}) {
  requireHostName(input.name)
  return inTransaction(ctx, async (tx): Promise<SignedCertificate & { hostId: string }> => {
    const nowMs = ctx.clock.now()
    const token = await takeToken(tx, input, new Date(nowMs))
    const hostId = await hostFor(tx, input.name, token.hostName !== null, new Date(nowMs))
    const signed = await signer.signHost({ csrPem: input.csrPem, hostId, nowMs })
    if (input.caPin !== undefined && input.caPin !== spkiPin(signed.caPem)) {
      throw conflict('The host trusts another authority.', 'ca_pin_mismatch')
    }
    await tx.hostCertificate.create({ data: { serial: signed.serial, hostId, notAfter: signed.notAfter } })
    await tx.joinToken.update({ where: { tokenHash: token.tokenHash }, data: { hostId } })
    await tx.auditEvent.create({
      data: {
        actor: token.createdBy,
        action: 'host.enrolled',
        subject: `host:${hostId}`,
        data: { name: input.name },
      },
    })
    // A session of an earlier certificate of this host ends.
    nudge(tx, 'changes', hostId)
    return { ...signed, hostId }
  })
}

function spkiPin(caPem: string): string {
  const spki = new X509Certificate(caPem).publicKey.export({ type: 'spki', format: 'der' })
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`
}

/** One conditional update: of two racing enrollments the second waits for the row and then matches nothing. */
async function takeToken(tx: Transaction, input: EnrollHostInput, now: Date) {
  const [token] = await tx.joinToken.updateManyAndReturn({
    where: {
      tokenHash: hashJoinToken(input.token),
      usedAt: null,
      expiresAt: { gt: now },
      OR: [{ hostName: null }, { hostName: input.name }],
    },
    data: { usedAt: now },
  })
  if (!token) throw unauthenticated('That join token is not valid.', 'invalid_join_token')
  return token
}

/** Only a token that names the host may take over an existing one; its earlier certificates end there. */
async function hostFor(tx: Transaction, name: string, mayExist: boolean, now: Date): Promise<string> {
  const [created] = await tx.hostServer.createManyAndReturn({ data: [{ name }], skipDuplicates: true })
  if (created) return created.id
  if (!mayExist) throw conflict('A host of that name exists.', 'host_name_taken')
  const host = await tx.hostServer.findUniqueOrThrow({ where: { name } })
  if (host.state === 'REVOKED') throw forbidden('That host was revoked.', 'host_revoked')
  await tx.hostCertificate.updateMany({
    where: { hostId: host.id, revokedAt: null },
    data: { revokedAt: now },
  })
  return host.id
}
