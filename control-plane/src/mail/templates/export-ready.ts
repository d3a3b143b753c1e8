import { z } from 'zod'
import { mailTemplate } from '../content.ts'
import { addressee, formatMoment, greeting, moment } from '../format.ts'

/** To a person who asked for an export. */
export const exportReady = mailTemplate(
  addressee.extend({ url: z.url(), expiresAt: moment }),
  ({ name, timeZone, url, expiresAt }) => ({
    subject: 'Your export is ready',
    paragraphs: [
      greeting(name),
      'The export of your data is ready: messages, usage, settings and the files of your assistant, in one archive.',
    ],
    action: { label: 'Download it', url },
    closing: [
      `The link works until ${formatMoment(expiresAt, timeZone)}. Whoever has it can download your data: do not pass this mail on.`,
      'If you did not ask for it, sign in and tell us.',
    ],
  }),
)
