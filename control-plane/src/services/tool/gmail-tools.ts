import { convert } from 'html-to-text'
import MailComposer from 'nodemailer/lib/mail-composer/index.js'
import { z } from 'zod'
import type { GoogleApi } from '../../lib/google-api.ts'
import { scopes } from '../integration/google-services.ts'
import { unlessCode } from './calendar-tools.ts'
import { bold, cut, maxItems, maxTextBytes, plain, quoted, untrusted } from './quoting.ts'
import { actTool, readTool, type Tool } from './tool.ts'

const messages = '/gmail/v1/users/me/messages'
const drafts = '/gmail/v1/users/me/drafts'
const reading = { service: 'gmail', scope: scopes.gmailRead } as const
const writing = { service: 'gmail', scope: scopes.gmailCompose } as const
const source = 'the person’s mail'

const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not an id of a mail')
const addresses = z.array(z.email().max(254)).max(20)
const mail = z.object({
  to: addresses.min(1),
  cc: addresses.default([]),
  subject: z.string().max(300),
  /** As long as a person can read before they agree. */
  text: z.string().min(1).max(5_000),
})
type Mail = z.infer<typeof mail>

const header = z.object({ name: z.string(), value: z.string() })
interface Part {
  mimeType?: string | undefined
  filename?: string | undefined
  headers?: z.infer<typeof header>[] | undefined
  body?: { data?: string | undefined } | undefined
  parts?: Part[] | undefined
}
const part: z.ZodType<Part> = z.object({
  mimeType: z.string().optional(),
  filename: z.string().optional(),
  headers: z.array(header).optional(),
  body: z.object({ data: z.string().optional() }).optional(),
  get parts() {
    return z.array(part).optional()
  },
})
const messageSchema = z.object({ id: z.string(), snippet: z.string().default(''), payload: part })

const headerOf = (payload: Part, name: string) =>
  payload.headers?.find((candidate) => candidate.name.toLowerCase() === name)?.value ?? ''
const headersOf = (payload: Part) =>
  ['From', 'To', 'Cc', 'Date', 'Subject'].flatMap((name) => {
    const value = headerOf(payload, name.toLowerCase())
    return value === '' ? [] : [`${name}: ${value}`]
  })

/** The first part of that type, at whatever depth; attachments are none. */
function bodyOf(payload: Part, mimeType: string): string | undefined {
  if (payload.mimeType === mimeType && payload.body?.data !== undefined && !payload.filename) {
    return Buffer.from(payload.body.data, 'base64url').toString('utf8')
  }
  for (const inner of payload.parts ?? []) {
    const found = bodyOf(inner, mimeType)
    if (found !== undefined) return found
  }
  return undefined
}

function textOf(payload: Part): string {
  const text = bodyOf(payload, 'text/plain')
  if (text !== undefined) return text
  // Converting is bounded, too: a hostile page must not keep the process busy.
  const html = bodyOf(payload, 'text/html')?.slice(0, 10 * maxTextBytes) ?? ''
  return convert(html, { limits: { maxInputLength: 10 * maxTextBytes, maxDepth: 50 }, wordwrap: false })
}

const attachmentsOf = (payload: Part): string[] => [
  ...(payload.filename ? [payload.filename] : []),
  ...(payload.parts ?? []).flatMap(attachmentsOf),
]

async function rawOf({ to, cc, subject, text }: Mail): Promise<string> {
  const built = await new MailComposer({ to, cc, subject, text }).compile().build()
  return built.toString('base64url')
}

async function createDraft(api: GoogleApi, input: Mail): Promise<string> {
  const json = { message: { raw: await rawOf(input) } }
  return (await api.call({ method: 'POST', path: drafts, json }, z.object({ id: z.string() }))).id
}

const linesOf = ({ to, cc, subject, text }: Mail) => [
  `To: ${to.map(plain).join(', ')}`,
  ...(cc.length > 0 ? [`Cc: ${cc.map(plain).join(', ')}`] : []),
  `Subject: ${bold(subject)}`,
  '',
  quoted(text),
]

export const gmailTools: Tool[] = [
  readTool({
    ...reading,
    name: 'gmail_search',
    description:
      'Finds mails with Gmail’s own search (from:, subject:, is:unread, newer_than:7d, words); newest first.',
    input: z.object({
      query: z.string().max(500).default('in:inbox'),
      limit: z.int().min(1).max(maxItems).default(10),
    }),
    async run(api, { query, limit }) {
      const { messages: found } = await api.call(
        { path: messages, query: { q: query, maxResults: limit } },
        z.object({ messages: z.array(z.object({ id: z.string() })).default([]) }),
      )
      if (found.length === 0) return 'No mails.'
      const heads = await Promise.all(
        found.slice(0, limit).map(async (one) => {
          const { payload, snippet } = await api.call(
            { path: `${messages}/${one.id}`, query: { format: 'metadata' } },
            messageSchema,
          )
          return [`id: ${one.id}`, ...headersOf(payload), snippet].join('\n')
        }),
      )
      return untrusted(source, cut(heads.join('\n\n')))
    },
  }),
  readTool({
    ...reading,
    name: 'gmail_read',
    description: 'The text of one mail, and the names of what is attached.',
    input: z.object({ id }),
    async run(api, input) {
      const { payload } = await api.call(
        { path: `${messages}/${input.id}`, query: { format: 'full' } },
        messageSchema,
      )
      const attached = attachmentsOf(payload)
      const lines = [
        ...headersOf(payload),
        ...(attached.length > 0 ? [`Attached: ${attached.join(', ')}`] : []),
        '',
        textOf(payload),
      ]
      return untrusted(source, cut(lines.join('\n')))
    },
  }),
  actTool({
    ...writing,
    name: 'gmail_draft',
    label: 'write drafts in my mail',
    description: 'Puts a mail among the person’s drafts, after asking them; nothing is sent.',
    input: mail,
    describe: async (_, input) => ({ text: ['Save this draft in your mail:', ...linesOf(input)].join('\n') }),
    prepare: createDraft,
    run: async () => 'The draft is saved.',
  }),
  actTool({
    ...writing,
    name: 'gmail_send',
    label: 'send mail for me',
    description: 'Sends a mail in the person’s name, after showing it to them and asking.',
    input: mail,
    describe: async (_, input) => ({ text: ['Send this mail in your name:', ...linesOf(input)].join('\n') }),
    // A draft can be sent once: when it is gone, it was.
    prepare: createDraft,
    async run(api, _, { reference }) {
      const call = { method: 'POST', path: `${drafts}/send`, json: { id: reference } } as const
      await api.call(call, z.object({ id: z.string() })).catch(unlessCode('google_not_found'))
      return 'The mail was sent.'
    },
  }),
]
