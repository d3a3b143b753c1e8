import type { Transaction } from '@yourclaw/db'
import { isEntitled } from '../assistant/require-entitlement.ts'
import type { ConversationCtx } from './ctx.ts'
import { texts } from './texts.ts'

/** What becomes of a message that this person writes now, and what is left to do for an answer. */
export async function tellStanding(tx: Transaction, ctx: ConversationCtx, userId: string): Promise<string> {
  const { webUrl } = ctx.settings
  if (!(await isEntitled(tx, userId, new Date(ctx.clock.now())))) return whyNotEntitled(tx, webUrl, userId)
  const { status, desired, suspendedAt } = await tx.assistant.findUniqueOrThrow({ where: { userId } })
  if (suspendedAt !== null) return texts.suspended
  if (desired === 'ABSENT') return status === 'NONE' ? texts.noAssistant(webUrl) : texts.beingDeleted(webUrl)
  if (status === 'ERROR') return texts.notRunning(webUrl)
  return status === 'READY' ? texts.writeHere : texts.settingUp
}

/** Why nobody answers a person for whom nothing is paid, and where they mend it. */
export async function whyNotEntitled(tx: Transaction, webUrl: string, userId: string): Promise<string> {
  // The live one first: ACTIVE, PAST_DUE, CANCELED.
  const last = await tx.subscription.findFirst({
    where: { userId },
    orderBy: [{ status: 'asc' }, { createdAt: 'desc' }],
  })
  if (last === null) return texts.trialLeft(webUrl)
  return last.status === 'CANCELED' ? texts.planEnded(webUrl) : texts.paymentDue(webUrl)
}
