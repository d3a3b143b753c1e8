import { mailTemplate } from '../content.ts'
import { addressee, formatDay, greeting, moment } from '../format.ts'

/** To a person whose assistant was paused because nothing pays for it. */
export const assistantSuspended = mailTemplate(
  addressee.extend({ deletedAfter: moment }),
  ({ name, timeZone, deletedAfter }, { webUrl }) => ({
    subject: 'Your assistant is paused',
    paragraphs: [
      greeting(name),
      'Your assistant is paused, because there is no paid subscription or trial. It does not answer for now.',
      `Its memory and files are kept until ${formatDay(deletedAfter, timeZone)} and deleted after that day. If you pay before then, everything is as it was.`,
    ],
    action: { label: 'Bring it back', url: `${webUrl}/dashboard/subscription` },
    closing: [`To take your data with you instead, use the export at ${webUrl}/dashboard/account.`],
  }),
)
