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

const page = 'margin:0;background:#f0f4f1;color:#0b231e;font:16px/1.6 system-ui,-apple-system,sans-serif'
const sheet = 'max-width:560px;margin:0 auto;padding:32px 16px'
const card = 'padding:28px 24px 12px;border:1px solid #cddad3;border-radius:18px;background:#ffffff'
const button =
  'display:inline-block;padding:12px 20px;border-radius:10px;background:#0c4f43;color:#ffffff;text-decoration:none;font-weight:600'
const footer = 'margin:20px 0 0;color:#455c55;font-size:14px'

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
<p style="margin:0 0 16px;font-size:20px;font-weight:700;letter-spacing:-0.02em">YourClaw</p>
<div style="${card}">
${paragraphs.map(paragraph)}${link ?? ''}${closing.map(paragraph)}</div>
<p style="${footer}"><a href="${webUrl}" style="color:inherit">${webUrl}</a></p>
</div>
</body>
</html>
`
}
