import { inTransaction } from '../../context.ts'
import { lockAssistant } from '../assistant/lock-assistant.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { texts } from '../conversation/texts.ts'
import { applyTools } from './apply-tools.ts'
import type { IntegrationCtx } from './ctx.ts'
import { type GoogleService, googleServices } from './google-services.ts'

/**
 * Google has ended a connection: its tools go, and the person is told once. `refreshToken`, sealed, says which: one that
 * took its place meanwhile is left alone.
 */
export async function markLost({
  ctx,
  input,
}: {
  ctx: IntegrationCtx
  input: { userId: string; service: GoogleService; refreshToken: string }
}): Promise<void> {
  const { userId, service, refreshToken } = input
  await inTransaction(ctx, async (tx) => {
    // First, as everywhere: whoever changes what an assistant may do holds its lock before any other row's.
    await lockAssistant(tx, userId)
    const { count } = await tx.userIntegration.updateMany({
      where: {
        userId,
        service,
        refreshTokenEncrypted: refreshToken,
        lostAt: null,
        disconnectRequestedAt: null,
      },
      data: { lostAt: new Date(ctx.clock.now()), accessTokenEncrypted: null },
    })
    if (count === 0) return
    await applyTools(tx, userId)
    const text = texts.integrationLost(googleServices[service].name, ctx.settings.webUrl)
    await sendNoticeIn(tx, ctx, { userId, code: 'integration_lost', text })
  })
}
