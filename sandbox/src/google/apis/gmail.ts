import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Provider } from '../provider.ts'
import { type ApiEnv, ApiError, answerError, pageOf, scoped } from './auth.ts'
import { parse } from './calendar.ts'

export const mailInput = z.object({
  from: z.string(),
  subject: z.string().default(''),
  text: z.string().default(''),
  html: z.string().optional(),
})

interface Mail {
  id: string
  threadId: string
  labelIds: string[]
  internalDate: string
  headers: { name: string; value: string }[]
  text: string
  html?: string | undefined
}

interface Draft {
  id: string
  message: Mail
}

/** Everybody's mail: what came, what lies in drafts, what was sent. */
export class Mailboxes {
  readonly #boxes = new Map<string, { mails: Mail[]; drafts: Draft[] }>()

  of(email: string) {
    const box = this.#boxes.get(email) ?? { mails: [], drafts: [] }
    this.#boxes.set(email, box)
    return box
  }

  /** Mail that arrives. */
  receive(email: string, { from, subject, text, html }: z.infer<typeof mailInput>): Mail {
    const headers = Object.entries({
      From: from,
      To: email,
      Subject: subject,
      Date: new Date().toUTCString(),
    })
    const mail = newMail(
      ['INBOX', 'UNREAD'],
      headers.map(([name, value]) => ({ name, value })),
      text,
    )
    this.of(email).mails.unshift({ ...mail, html })
    return mail
  }

  clear(): void {
    this.#boxes.clear()
  }
}

const newId = () => randomBytes(8).toString('hex')

function newMail(labelIds: string[], headers: Mail['headers'], text: string): Mail {
  const id = newId()
  return { id, threadId: id, labelIds, internalDate: String(Date.now()), headers, text }
}

/** Enough of RFC 5322 for what is sent here: headers, a blank line, a body in base64 or as it is. */
function readRaw(raw: string): Pick<Mail, 'headers' | 'text'> {
  const source = Buffer.from(raw, 'base64url').toString('utf8')
  const [head = '', ...rest] = source.split(/\r?\n\r?\n/)
  const lines = head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)
  const headers = lines.flatMap((line) => {
    const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(line) ?? []
    return name === undefined ? [] : [{ name, value: value ?? '' }]
  })
  if (!headers.some(({ name, value }) => name.toLowerCase() === 'to' && value !== '')) {
    throw new ApiError(400, 'invalidArgument', 'Recipient address required')
  }
  const isBase64 = headers.some(
    ({ name, value }) => name.toLowerCase() === 'content-transfer-encoding' && /base64/i.test(value),
  )
  const body = rest.join('\n\n')
  return { headers, text: isBase64 ? Buffer.from(body, 'base64').toString('utf8') : body }
}

const rawMessage = z.object({ raw: z.string().min(1), threadId: z.string().optional() })

/** Messages and drafts of https://developers.google.com/workspace/gmail/api/reference/rest. */
export function gmailRoutes(provider: Provider): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()
  const box = (email: string) => provider.mailboxes.of(email)
  const reading = scoped(provider, 'gmail.readonly')
  const writing = scoped(provider, 'gmail.compose')

  app.get('/users/me/messages', reading, (c) => {
    const { q, maxResults, pageToken } = c.req.query()
    const found = box(c.get('email')).mails.filter((mail) => fits(mail, q ?? ''))
    const { items, nextPageToken } = pageOf(found, maxResults, pageToken, 500)
    const messages = items.map(({ id, threadId }) => ({ id, threadId }))
    return c.json({ messages, nextPageToken, resultSizeEstimate: found.length })
  })
  app.get('/users/me/messages/:id', reading, (c) => {
    const mail = box(c.get('email')).mails.find(({ id }) => id === c.req.param('id'))
    if (!mail) throw new ApiError(404, 'notFound', 'Requested entity was not found.')
    return c.json(resource(mail, c.req.query('format') ?? 'full'))
  })
  app.post('/users/me/drafts', writing, async (c) => {
    const { message } = parse(z.object({ message: rawMessage }), await c.req.json())
    const { headers, text } = readRaw(message.raw)
    const draft = { id: `r${newId()}`, message: newMail(['DRAFT'], headers, text) }
    box(c.get('email')).drafts.push(draft)
    return c.json({ id: draft.id, message: { id: draft.message.id, threadId: draft.message.threadId } })
  })
  app.post('/users/me/drafts/send', writing, async (c) => {
    const { id } = parse(z.object({ id: z.string() }), await c.req.json())
    const { drafts, mails } = box(c.get('email'))
    const index = drafts.findIndex((draft) => draft.id === id)
    const [draft] = index < 0 ? [] : drafts.splice(index, 1)
    if (!draft) throw new ApiError(404, 'notFound', 'Requested entity was not found.')
    const sent = { ...draft.message, labelIds: ['SENT'] }
    mails.unshift(sent)
    return c.json({ id: sent.id, threadId: sent.threadId, labelIds: sent.labelIds })
  })
  app.onError(answerError)
  return app
}

function resource(mail: Mail, format: string) {
  const { id, threadId, labelIds, internalDate, headers, text, html } = mail
  const encode = (value: string) => ({
    size: Buffer.byteLength(value),
    data: Buffer.from(value).toString('base64url'),
  })
  const plain = { mimeType: 'text/plain', headers: [], body: encode(text) }
  const parts =
    html === undefined ? [plain] : [plain, { mimeType: 'text/html', headers: [], body: encode(html) }]
  return {
    id,
    threadId,
    labelIds,
    internalDate,
    snippet: text.slice(0, 100),
    payload:
      format === 'metadata'
        ? { mimeType: 'multipart/alternative', headers }
        : { mimeType: 'multipart/alternative', headers, body: { size: 0 }, parts },
  }
}

/** Words, and the operators that people use most; what is not known matches as a word, as Gmail does. */
function fits(mail: Mail, query: string): boolean {
  const header = (name: string) =>
    mail.headers.find((candidate) => candidate.name === name)?.value.toLowerCase() ?? ''
  const terms = query.toLowerCase().match(/\S+:"[^"]*"|"[^"]*"|\S+/g) ?? []
  return terms.every((term) => {
    const [, operator, operand = ''] = /^(from|to|subject|is|in):"?([^"]*)"?$/.exec(term) ?? []
    switch (operator) {
      case 'from':
      case 'to':
      case 'subject':
        return header(operator[0]?.toUpperCase() + operator.slice(1)).includes(operand)
      case 'is':
      case 'in':
        return mail.labelIds.includes(operand.toUpperCase())
      default:
        return `${header('Subject')} ${header('From')} ${mail.text.toLowerCase()}`.includes(
          term.replaceAll('"', ''),
        )
    }
  })
}
