import { z } from 'zod'
import { mailTemplate } from '../content.ts'
import { formatMoment, moment } from '../format.ts'

/** To operators: something lasts that needs one of them. `hint` says what to look at. */
export const operatorAlert = mailTemplate(
  z.object({ cause: z.string(), detail: z.string(), hint: z.string(), raisedAt: moment }),
  ({ cause, detail, hint, raisedAt }) => ({
    subject: `Alert: ${cause}`,
    paragraphs: [detail, `Since ${formatMoment(raisedAt, 'UTC')}. ${hint}`],
    closing: ['There is no other mail about this while it lasts, and none when it ends.'],
  }),
)
