import type { Ctx } from '../../context.ts'
import type { CertificateSigner, SignedCertificate } from './signer.ts'

/** A fresh certificate for a host that is connected with a valid one. The old one runs out by itself. */
export async function renewCertificate({
  ctx,
  signer,
  input,
}: {
  ctx: Ctx
  signer: CertificateSigner
  input: { hostId: string; csrPem: string }
}): Promise<SignedCertificate> {
  const signed = await signer.signHost({ ...input, nowMs: ctx.clock.now() })
  await ctx.db.hostCertificate.create({
    data: { serial: signed.serial, hostId: input.hostId, notAfter: signed.notAfter },
  })
  return signed
}
