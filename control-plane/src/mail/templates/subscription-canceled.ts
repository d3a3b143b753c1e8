import { plan } from '../../plan.ts'
import { mailTemplate } from '../content.ts'
import { addressee, formatDay, greeting, moment } from '../format.ts'

const props = addressee.extend({
  /** Until when the assistant answers; absent when it has ended already. */
  endsAt: moment.optional(),
})

/** To a person who canceled, or whose subscription Stripe ended. */
export const subscriptionCanceled = mailTemplate(props, ({ name, timeZone, endsAt }, { webUrl }) => ({
  subject: endsAt === undefined ? 'Your subscription has ended' : 'Your subscription is canceled',
  paragraphs: [
    greeting(name),
    endsAt === undefined
      ? 'Your subscription has ended, and your assistant is paused. Nothing more is charged.'
      : `Your subscription is canceled. Your assistant goes on until ${formatDay(endsAt, timeZone)}, and nothing more is charged. Until then you can take it back.`,
    `${endsAt === undefined ? 'Its' : 'After that day its'} memory and files are kept for ${plan.retentionDays} days and then deleted. If you come back within them, everything is as it was.`,
  ],
  action: {
    label: endsAt === undefined ? 'Come back' : 'Take it back',
    url: `${webUrl}/dashboard/subscription`,
  },
}))
