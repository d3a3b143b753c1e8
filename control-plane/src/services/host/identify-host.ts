import { Prisma } from '@yourclaw/db'
import { unauthenticated } from '../../errors.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'

interface CertificateRow {
  serial: string
  hostId: string
  notAfter: Date
  revokedAt: Date | null
  hostState: string
}

/**
 * Which host a client certificate belongs to. The TLS layer has verified its chain; here only what we issued,
 * did not revoke and has not run out counts. Throws unauthenticated.
 */
export async function identifyHost({
  ctx,
  input,
}: {
  ctx: Pick<ConversationCtx, 'pool' | 'clock'>
  input: { serial: string }
}) {
  const [certificate] = await ctx.pool.query<CertificateRow>(Prisma.sql`
    SELECT c.serial, c.host_id AS "hostId", c.not_after AS "notAfter", c.revoked_at AS "revokedAt",
      h.state::text AS "hostState"
    FROM host_certificates c JOIN host_servers h ON h.id = c.host_id WHERE c.serial = ${input.serial.toLowerCase()}`)
  if (
    !certificate ||
    certificate.revokedAt ||
    certificate.hostState === 'REVOKED' ||
    certificate.notAfter.getTime() <= ctx.clock.now()
  ) {
    throw unauthenticated('That certificate is not valid.')
  }
  return { hostId: certificate.hostId, serial: certificate.serial, notAfter: certificate.notAfter }
}
