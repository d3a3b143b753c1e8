import { plan } from '../../plan.ts'
import { mailTemplate } from '../content.ts'
import { addressee, formatMoment, formatMoney, greeting, moment } from '../format.ts'

/** To a person whose trial ends within a day, and who did not cancel. */
export const trialEnding = mailTemplate(
  addressee.extend({ trialEnd: moment }),
  ({ name, timeZone, trialEnd }, { webUrl }) => ({
    subject: 'Your trial ends tomorrow',
    paragraphs: [
      greeting(name),
      `Your trial ends on ${formatMoment(trialEnd, timeZone)}. Your card is then charged ${formatMoney(plan.priceCents, plan.currency)} for the first month, and your assistant goes on without a break.`,
      'If it is not for you, cancel before then and you pay nothing.',
    ],
    action: { label: 'Keep or cancel', url: `${webUrl}/dashboard/subscription` },
  }),
)
