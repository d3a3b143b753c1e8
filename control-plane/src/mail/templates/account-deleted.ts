import { z } from 'zod'
import { mailTemplate } from '../content.ts'
import { greeting } from '../format.ts'

/** The last mail to a person who deleted the account; sent once everything is gone. */
export const accountDeleted = mailTemplate(z.object({ name: z.string() }), ({ name }) => ({
  subject: 'Your account is deleted',
  paragraphs: [
    greeting(name),
    'Your account is deleted: your messages, your assistant with its memory and files, your keys and your settings are gone from our systems, and your subscription has ended.',
    'Our payment provider keeps the invoices, because the law asks for it.',
    'This is our last mail to you. Thank you for having been here.',
  ],
}))
