import { expect, test } from 'vitest'
import type { MailTemplate } from './content.ts'
import { renderMail } from './layout.ts'
import { type MailName, type MailProps, mailTemplates } from './templates.ts'

const site = { webUrl: 'https://web.test' }
const ada = { name: 'Ada', timeZone: 'Europe/Berlin' }
const soon = '2026-11-26T17:30:00.000Z'

/** One of each, so that a template without a snapshot is a type error. */
const samples: { [Name in MailName]: MailProps<Name> } = {
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

const write = (name: string, props: unknown) => {
  const template = (mailTemplates as Record<string, MailTemplate>)[name]
  if (template === undefined) throw new Error(`no template ${name}`)
  return renderMail(template.write(template.props.parse(props), site), site)
}

test.each(Object.entries(samples))('%s reads as it should, plain and as HTML', async (name, props) => {
  const mail = await write(name, props)
  expect(`${mail.subject}\n\n${mail.text}`).toMatchSnapshot('plain')
  expect(mail.html).toMatchSnapshot('html')
})

test('a subscription without a trial, and one that has ended, say so', async () => {
  expect((await write('subscription-confirmed', { ...ada, creditMicros: 0 })).text).toMatchSnapshot()
  expect((await write('subscription-canceled', ada)).text).toMatchSnapshot()
})

test('S1: a name is text in HTML, and no header', async () => {
  const name = '<img src=x onerror=alert(1)>"\r\nBcc: eve@example.test'
  const mail = await write('welcome', { ...ada, name })
  expect(mail.html).not.toContain('<img')
  expect(mail.html).toContain('&lt;img')
  expect(mail.subject).not.toMatch(/[\r\n]/)
})
