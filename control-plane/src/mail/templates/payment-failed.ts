import { z } from 'zod'
import { plan } from '../../plan.ts'
import { mailTemplate } from '../content.ts'
import { addressee, formatDay, formatMoney, greeting, moment } from '../format.ts'

const props = addressee.extend({ amountCents: z.int(), currency: z.string(), graceEnd: moment })

/** To a person whose payment did not go through. */
export const paymentFailed = mailTemplate(
  props,
  ({ name, timeZone, graceEnd, amountCents, currency }, { webUrl }) => ({
    subject: 'Your payment did not go through',
    paragraphs: [
      greeting(name),
      `We could not collect ${formatMoney(amountCents, currency)} for YourClaw. Often it is a card that expired, or a limit.`,
      `Your assistant goes on until ${formatDay(graceEnd, timeZone)}. Without a payment by then it is paused; its memory and files are kept for ${plan.retentionDays} days after that and come back with the payment.`,
    ],
    action: { label: 'Update your card', url: `${webUrl}/dashboard/subscription` },
  }),
)
