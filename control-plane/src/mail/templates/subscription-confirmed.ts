import { z } from 'zod'
import { plan } from '../../plan.ts'
import { mailTemplate } from '../content.ts'
import { addressee, formatMoment, formatMoney, greeting, moment } from '../format.ts'

const props = addressee.extend({
  /** Absent without a trial. */
  trialEnd: moment.optional(),
  /** Granted with it; 0 for somebody who had it before. */
  creditMicros: z.int(),
})

/** To a person who subscribed. */
export const subscriptionConfirmed = mailTemplate(
  props,
  ({ name, timeZone, trialEnd, creditMicros }, { webUrl }) => {
    const price = `${formatMoney(plan.priceCents, plan.currency)} a month`
    const begins =
      trialEnd === undefined
        ? `Your subscription is active: ${price}, until you cancel.`
        : `Your trial has begun. It ends on ${formatMoment(trialEnd, timeZone)}; from then on it is ${price}, until you cancel.`
    const credit = `${formatMoney(creditMicros / 10_000, 'usd')} of credit for the models are on your account.`
    return {
      subject: trialEnd === undefined ? 'Your subscription is active' : 'Your trial has begun',
      paragraphs: [
        greeting(name),
        begins,
        ...(creditMicros > 0 ? [credit] : []),
        'Your assistant is being set up. We write again when it is ready.',
      ],
      action: { label: 'See your assistant', url: `${webUrl}/dashboard` },
      closing: [`You find invoices, your card and the way to cancel at ${webUrl}/dashboard/subscription.`],
    }
  },
)
