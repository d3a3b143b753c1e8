import type { Ctx } from '../../context.ts'
import { unauthenticated } from '../../errors.ts'

/**
 * Which host a client certificate belongs to. The TLS layer has verified its chain; here only what we issued,
 * did not revoke and has not run out counts. Throws unauthenticated.
 */
export async function identifyHost({ ctx, input }: { ctx: Ctx; input: { serial: string } }) {
  const certificate = await ctx.db.hostCertificate.findUnique({
    where: { serial: input.serial.toLowerCase() },
    include: { host: { select: { state: true } } },
  })
  if (
    !certificate ||
    certificate.revokedAt ||
    certificate.host.state === 'REVOKED' ||
    certificate.notAfter.getTime() <= ctx.clock.now()
  ) {
    throw unauthenticated('That certificate is not valid.')
  }
  return { hostId: certificate.hostId, serial: certificate.serial, notAfter: certificate.notAfter }
}
