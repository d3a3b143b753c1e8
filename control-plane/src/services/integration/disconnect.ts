import { inTransaction } from '../../context.ts'
import { notFound } from '../../errors.ts'
import { lockAssistant } from '../assistant/lock-assistant.ts'
import { applyTools } from './apply-tools.ts'
import type { IntegrationCtx } from './ctx.ts'
import { endService } from './end-service.ts'
import type { GoogleService } from './google-services.ts'
import { revokeAtGoogle } from './revoke.ts'

/**
 * Ends a connection: its tools go at once, its tokens when Google has taken them back. While Google is away the row waits
 * for the sweep. Errors: not_connected (404).
 */
export async function disconnect({
  ctx,
  input,
}: {
  ctx: IntegrationCtx
  input: { userId: string; service: GoogleService }
}): Promise<{ state: 'OFF' | 'DISCONNECTING' }> {
  const { userId, service } = input
  const id = await inTransaction(ctx, async (tx) => {
    await lockAssistant(tx, userId)
    const row = await tx.userIntegration.findUnique({ where: { userId_service: { userId, service } } })
    if (!row) throw notFound('That is not connected.', 'not_connected')
    if (row.disconnectRequestedAt) return row.id
    await tx.userIntegration.update({
      where: { id: row.id },
      data: { disconnectRequestedAt: new Date(ctx.clock.now()) },
    })
    await applyTools(tx, userId)
    await endService(tx, { userId, service, now: new Date(ctx.clock.now()) })
    await tx.auditEvent.create({
      data: {
        actor: `user:${userId}`,
        action: 'integration.disconnected',
        subject: `user:${userId}`,
        data: { service },
      },
    })
    return row.id
  })
  const isGone = await revokeAtGoogle({ ctx, input: { id } }).catch((err: unknown) => {
    ctx.log.warn({ err, service }, 'a connection could not be revoked yet')
    return false
  })
  return { state: isGone ? 'OFF' : 'DISCONNECTING' }
}
