/** Mail as tests send it. */
import type { MailName, MailProps } from './templates.ts'

export const ada = { name: 'Ada', timeZone: 'Europe/Berlin' }
const soon = '2026-11-26T17:30:00.000Z'

/** One of each: a template without one is a type error, and with it a snapshot and a place in the inbox are due. */
export const samples: { [Name in MailName]: MailProps<Name> } = {
  'account-deleted': { name: 'Ada' },
  'assistant-ready': ada,
  'assistant-suspended': { ...ada, deletedAfter: soon },
  'deletion-ahead': { ...ada, deletedAfter: soon },
  'export-ready': { ...ada, url: 'https://web.test/exports/token', expiresAt: soon },
  'operator-alert': {
    cause: 'host_silent:host-1',
    detail: 'host-1 has not been heard of since 2026-11-26T17:28:00.000Z; 3 assistants are placed on it.',
    hint: 'Look at the agent on that host.',
    raisedAt: soon,
  },
  'operator-feedback': {
    email: 'ada@example.test',
    kind: 'TOOL',
    text: 'A calendar, please.\n\nThe shared one.',
  },
  'operator-new-subscriber': { userId: 'u1', model: 'openai/gpt-4o', isTrial: true },
  'operator-provisioning-failed': {
    assistantId: 'a1',
    host: 'host-1',
    code: 'image_missing',
    detail: 'The image is not on the host.',
    attempts: 3,
  },
  'payment-failed': { ...ada, amountCents: 2_000, currency: 'usd', graceEnd: soon },
  'provisioning-failed': ada,
  'subscription-canceled': { ...ada, endsAt: soon },
  'subscription-confirmed': { ...ada, trialEnd: soon, creditMicros: 10_000_000 },
  'trial-ending': { ...ada, trialEnd: soon },
  welcome: ada,
}
