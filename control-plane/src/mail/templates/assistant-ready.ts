import { mailTemplate } from '../content.ts'
import { addressee, greeting } from '../format.ts'

/** To a person whose assistant came up for the first time. */
export const assistantReady = mailTemplate(addressee, ({ name }, { webUrl }) => ({
  subject: 'Your assistant is ready',
  paragraphs: [
    greeting(name),
    'Your assistant is up and waiting for its first message. Write to it in the chat that you connected.',
  ],
  action: { label: 'Open the chat', url: `${webUrl}/dashboard` },
}))
