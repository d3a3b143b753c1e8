import type { Transaction } from '@yourclaw/db'
import { plan } from '../../plan.ts'
import { createAssistantIn, newSecrets } from '../assistant/create-assistant.ts'
import { grantCredit } from '../credit/grant-credit.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'
import type { BillingCtx } from './ctx.ts'

/**
 * What a new subscription starts, once: the assistant, with the model that was chosen before, and the first word of it.
 * One whose old assistant is still being deleted is asked again by the sweep. Only under the assistant's row lock.
 */
export async function welcomeSubscriber(tx: Transaction, ctx: BillingCtx, userId: string): Promise<void> {
  const subscription = await tx.subscription.findFirst({
    where: { userId, status: 'ACTIVE', stripeSubscriptionId: { not: null }, provisionedAt: null },
    include: { user: { include: { assistant: true } } },
  })
  if (!subscription) return
  const { user, trialEnd, isFirst } = subscription
  const { assistant, email: to, name, timeZone } = user
  const now = ctx.clock.now()
  const credit = isFirst ? plan.welcomeCreditMicros : 0
  if (credit > 0) {
    // One reference a person: whatever is read, replayed or bought again, it is granted once (B6).
    await grantCredit({ tx, userId, amountMicros: BigInt(credit), reason: 'grant', reference: 'welcome' })
  }
  const isTrial = trialEnd !== null && trialEnd.getTime() > now
  const key = subscription.id
  const props = { name, timeZone, creditMicros: credit, ...(isTrial && { trialEnd: trialEnd.toISOString() }) }
  await enqueueMail({
    tx,
    to,
    template: 'subscription-confirmed',
    props,
    key: `subscription-confirmed:${key}`,
  })
  await enqueueMail({
    tx,
    to: ctx.settings.operatorEmails,
    template: 'operator-new-subscriber',
    props: { userId, model: assistant?.model ?? '', isTrial },
    key: `operator-new-subscriber:${key}`,
  })
  if (assistant && assistant.status !== 'NONE' && assistant.desired === 'ABSENT') return
  // Suspended for another reason: it exists, and whoever stopped it lets it go.
  if (!assistant?.suspendedAt) await createAssistantIn(tx, ctx, await newSecrets(ctx.vault), { userId })
  await tx.subscription.update({ where: { id: subscription.id }, data: { provisionedAt: new Date(now) } })
}
