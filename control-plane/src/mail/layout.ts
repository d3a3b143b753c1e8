import { html } from 'hono/html'
import type { MailContent, Site } from './content.ts'

export interface RenderedMail {
  subject: string
  html: string
  text: string
}

/** The one layout of all mail: no pictures, nothing loaded from anywhere, readable without styles. */
export async function renderMail(content: MailContent, site: Site): Promise<RenderedMail> {
  // A name with a line break in it must not become a header.
  const subject = content.subject.replace(/\s+/g, ' ').trim()
  return {
    subject,
    html: String(await renderHtml({ ...content, subject }, site)),
    text: renderText(content, site),
  }
}

function renderText({ paragraphs, action, closing = [] }: MailContent, { webUrl }: Site): string {
  const link = action === undefined ? [] : [`${action.label}: ${action.url}`]
  return `${[...paragraphs, ...link, ...closing, `--\nYourClaw\n${webUrl}`].join('\n\n')}\n`
}

const page = 'margin:0;background:#f6f4ef;color:#1d2523;font:16px/1.55 system-ui,-apple-system,sans-serif'
const sheet = 'max-width:560px;margin:0 auto;padding:32px 24px'
const button =
  'display:inline-block;padding:12px 20px;border-radius:8px;background:#14532d;color:#ffffff;text-decoration:none;font-weight:600'
const footer = 'margin-top:32px;padding-top:16px;border-top:1px solid #d9d5ca;color:#5b6561;font-size:14px'

function renderHtml({ subject, paragraphs, action, closing = [] }: MailContent, { webUrl }: Site) {
  const paragraph = (text: string) => html`<p style="margin:0 0 16px;white-space:pre-line">${text}</p>
`
  const link =
    action &&
    html`<p style="margin:24px 0"><a href="${action.url}" style="${button}">${action.label}</a></p>
`
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${subject}</title></head>
<body style="${page}">
<div style="${sheet}">
<p style="margin:0 0 24px;font-weight:700">YourClaw</p>
${paragraphs.map(paragraph)}${link ?? ''}${closing.map(paragraph)}<p style="${footer}"><a href="${webUrl}" style="color:inherit">${webUrl}</a></p>
</div>
</body>
</html>
`
}
