import type { Subscription, Transaction } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'
import type { SubscriptionFacts } from './read-customer.ts'

/** Mails a person what became of a subscription. `before` is the row as it was, if there was one. */
export async function tellChange(
  tx: Transaction,
  ctx: Pick<Ctx, 'clock'>,
  userId: string,
  before: Subscription | undefined,
  now: SubscriptionFacts,
): Promise<void> {
  const { email: to, name, timeZone } = await tx.user.findUniqueOrThrow({ where: { id: userId } })
  const person = { name, timeZone }
  const { stripeSubscriptionId: id, unpaid, graceEnd, cancelAt } = now
  if (now.status === 'PAST_DUE' && unpaid && graceEnd && graceEnd.getTime() > ctx.clock.now()) {
    const { invoiceId, amountCents, currency } = unpaid
    const props = { ...person, amountCents, currency, graceEnd: graceEnd.toISOString() }
    await enqueueMail({ tx, to, template: 'payment-failed', props, key: `payment-failed:${invoiceId}` })
  }
  const isNewlyCanceled = cancelAt !== null && before?.cancelAt?.getTime() !== cancelAt.getTime()
  if (now.status === 'ACTIVE' && isNewlyCanceled) {
    const props = { ...person, endsAt: cancelAt.toISOString() }
    // Canceled, taken back and canceled again is told again, the same read twice is not.
    const key = `subscription-canceled:${id}:${now.canceledAt?.getTime()}`
    await enqueueMail({ tx, to, template: 'subscription-canceled', props, key })
  }
  const hasEnded = now.status === 'CANCELED' && before !== undefined && before.status !== 'CANCELED'
  // Who canceled for the end of the period knows; the mail of the suspension follows.
  if (hasEnded && before.cancelAt === null) {
    const key = `subscription-ended:${id}`
    await enqueueMail({ tx, to, template: 'subscription-canceled', props: person, key })
  }
}
