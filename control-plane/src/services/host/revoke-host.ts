import type { Ctx } from '../../context.ts'
import { changeHost, type HostInput } from './change-host.ts'

/**
 * Takes a host's trust away for good: its session and its turns' streams end at once, its certificates open nothing any
 * more, and what it still writes under its last session touches no row. Its name is not used again. Errors: as changeHost.
 */
export function revokeHost({ ctx, input }: { ctx: Ctx; input: HostInput }): Promise<void> {
  return changeHost(ctx, input, 'host.revoked', async (tx, { id }) => {
    const now = new Date(ctx.clock.now())
    await tx.hostServer.update({ where: { id }, data: { state: 'REVOKED' } })
    const live = { hostId: id, revokedAt: null }
    await tx.hostCertificate.updateMany({ where: live, data: { revokedAt: now } })
    const ended = { epoch: { increment: 1n }, leaseExpiresAt: now }
    await tx.hostSession.updateMany({ where: { hostId: id }, data: ended })
  })
}
