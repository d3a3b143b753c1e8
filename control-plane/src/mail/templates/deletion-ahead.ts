import { mailTemplate } from '../content.ts'
import { addressee, formatDay, greeting, moment } from '../format.ts'

/** To a person whose suspended assistant is soon deleted for good. */
export const deletionAhead = mailTemplate(
  addressee.extend({ deletedAfter: moment }),
  ({ name, timeZone, deletedAfter }, { webUrl }) => {
    const day = formatDay(deletedAfter, timeZone)
    return {
      subject: `Your assistant is deleted after ${day}`,
      paragraphs: [
        greeting(name),
        `Your assistant has been paused for a while. After ${day} its memory and files are deleted, and nobody can bring them back.`,
        'If you pay before then, everything is as it was. If you are done with it, there is nothing to do.',
      ],
      action: { label: 'Bring it back', url: `${webUrl}/dashboard/subscription` },
      closing: [`To take your data with you, use the export at ${webUrl}/dashboard/account.`],
    }
  },
)
