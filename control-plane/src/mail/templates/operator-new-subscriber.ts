import { z } from 'zod'
import { mailTemplate } from '../content.ts'

const props = z.object({ userId: z.string(), model: z.string(), isTrial: z.boolean() })

/** To operators. Names the account, not the person (S8). */
export const operatorNewSubscriber = mailTemplate(props, ({ userId, model, isTrial }) => ({
  subject: isTrial ? 'New subscriber, on trial' : 'New subscriber',
  paragraphs: [`Account ${userId} subscribed${isTrial ? ' and is on trial' : ''}, with ${model}.`],
}))
