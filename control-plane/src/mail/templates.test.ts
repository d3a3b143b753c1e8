import { expect, test } from 'vitest'
import type { MailTemplate } from './content.ts'
import { renderMail } from './layout.ts'
import { ada, samples } from './samples.ts'
import { mailTemplates } from './templates.ts'

const site = { webUrl: 'https://web.test' }
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
