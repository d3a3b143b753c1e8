import { Hono } from 'hono'
import { html } from 'hono/html'
import type { Env } from '../faults.ts'
import { type Html, page, places } from '../page/page.ts'
import type { Mail, Mailbox } from './mail.ts'

/** What people find in their mail: everybody's, or one person's with `?to=`. */
export function inboxPages(mailbox: Mailbox): Hono<Env> {
  const app = new Hono<Env>()
  const find = (id: string) => mailbox.all.find((mail) => mail.id === id)

  app.get('/inbox', (c) => {
    const mails = sentTo(mailbox.all, c.req.query('to')).reverse()
    const body = html`${places}
      <h1>Inbox</h1>
      ${mails.length === 0 ? html`<p class="dim">No mail yet.</p>` : ''}
      <ul>
        ${mails.map((mail) => html`<li class="card">${heading(mail, html`<a href="/resend/inbox/${mail.id}">${mail.subject}</a>`)}</li>`)}
      </ul>`
    return c.html(page('Inbox', body, { wide: true }))
  })

  app.get('/inbox/:id', (c) => {
    const mail = find(c.req.param('id'))
    if (!mail) return c.html(page('Inbox', html`${places}<h1>There is no such mail.</h1>`), 404)
    const path = `/resend/inbox/${mail.id}`
    const body = html`${places}
      <a href="/resend/inbox">All mail</a>
      ${heading(mail, html`<h1>${mail.subject}</h1>`)}
      ${mail.html === null ? '' : html`<iframe title="The mail as HTML" src="${path}/html" sandbox="${sandboxed}"></iframe>`}
      ${mail.text === null ? '' : html`<h2>Plain text</h2><pre>${mail.text}</pre>`}
      ${mail.attachments.map(
        ({ filename, sizeBytes }, index) =>
          html`<p><a href="${path}/attachments/${index}">${filename}</a> <small>${sizeBytes} bytes</small></p>`,
      )}`
    return c.html(page(mail.subject, body, { wide: true }))
  })

  app.get('/inbox/:id/html', (c) => {
    const shown = find(c.req.param('id'))?.html
    if (shown == null) return c.notFound()
    // A mail may show itself, run nothing and load nothing; its links open in place of the page around it.
    c.header(
      'content-security-policy',
      `sandbox ${sandboxed}; default-src 'none'; style-src 'unsafe-inline'; img-src data:`,
    )
    return c.body(`<base target="_top">${shown}`, 200, { 'content-type': 'text/html; charset=utf-8' })
  })

  app.get('/inbox/:id/attachments/:index{\\d+}', (c) => {
    const attachment = find(c.req.param('id'))?.attachments[Number(c.req.param('index'))]
    if (!attachment?.content) return c.notFound()
    const filename = encodeURIComponent(attachment.filename)
    return c.body(new Uint8Array(Buffer.from(attachment.content, 'base64')), 200, {
      'content-type': attachment.contentType,
      'content-disposition': `attachment; filename*=UTF-8''${filename}`,
    })
  })
  return app
}

const sandboxed = 'allow-top-navigation-by-user-activation'

/** Mail in which an address is named as a recipient; all of it without one. */
export function sentTo(mails: Mail[], address: string | undefined): Mail[] {
  const wanted = address?.toLowerCase()
  return mails.filter(({ to, cc, bcc }) => {
    const recipients = [...to, ...cc, ...bcc].map((one) => one.replace(/^.*<(.*)>$/, '$1').toLowerCase())
    return wanted === undefined || recipients.includes(wanted)
  })
}

const heading = (mail: Mail, subject: Html): Html => html`${subject}
  <small>${mail.from} → ${[...mail.to, ...mail.cc, ...mail.bcc].join(', ')} · <time>${mail.at}</time></small>`
