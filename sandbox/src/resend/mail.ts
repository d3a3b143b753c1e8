import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Keepable } from '../kept.ts'
import { ResendError } from './errors.ts'

const address = z.string().regex(/^([^<>]*<)?[^\s<>@]+@[^\s<>@]+>?$/)
const addresses = z.union([address.transform((one) => [one]), z.array(address).max(50)])

const attachment = z
  .looseObject({
    filename: z.string().optional(),
    /** base64 */
    content: z.string().optional(),
    path: z.string().optional(),
    content_type: z.string().optional(),
  })
  .refine(({ content, path }) => content !== undefined || path !== undefined)

const email = z.object({
  from: address,
  to: addresses,
  cc: addresses.optional(),
  bcc: addresses.optional(),
  reply_to: addresses.optional(),
  subject: z.string().min(1),
  html: z.string().optional(),
  text: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  tags: z.array(z.object({ name: z.string(), value: z.string() })).optional(),
  attachments: z.array(attachment).optional(),
  scheduled_at: z.string().optional(),
})

export interface Mail {
  id: string
  from: string
  to: string[]
  cc: string[]
  bcc: string[]
  replyTo: string[]
  subject: string
  html: string | null
  text: string | null
  headers: Record<string, string>
  tags: { name: string; value: string }[]
  /** `content` is base64; null when only an address was given. */
  attachments: { filename: string; contentType: string; sizeBytes: number; content: string | null }[]
  idempotencyKey: string | null
  scheduledAt: string | null
  at: string
}

/** All mail that was sent, oldest first. */
export class Mailbox implements Keepable {
  all: Mail[] = []
  #byKey = new Map<string, { payload: string; ids: string[] }>()

  save(): Mail[] {
    return this.all
  }

  load(saved: Mail[]): void {
    this.all = saved
  }

  clear(): void {
    this.all = []
    this.#byKey.clear()
  }

  /**
   * Takes all of them or none. Returns their ids, and the first ones again for the same key.
   * @throws ResendError
   */
  send(bodies: unknown[], idempotencyKey: string | undefined): string[] {
    if (idempotencyKey !== undefined && (idempotencyKey === '' || idempotencyKey.length > 256))
      throw new ResendError(
        'invalid_idempotency_key',
        'The idempotency key must be between 1-256 characters.',
      )
    const payload = createHash('sha256').update(JSON.stringify(bodies)).digest('hex')
    const known = idempotencyKey === undefined ? undefined : this.#byKey.get(idempotencyKey)
    if (known && known.payload !== payload) {
      throw new ResendError(
        'invalid_idempotent_request',
        'This idempotency key has been used on a request that was made with a different payload.',
      )
    }
    if (known) return known.ids
    const mails = bodies.map((body) => parse(body, idempotencyKey ?? null))
    this.all.push(...mails)
    const ids = mails.map(({ id }) => id)
    if (idempotencyKey !== undefined) this.#byKey.set(idempotencyKey, { payload, ids })
    return ids
  }
}

function parse(body: unknown, idempotencyKey: string | null): Mail {
  const parsed = email.safeParse(body)
  if (!parsed.success) throw refusal(body, parsed.error.issues[0]?.path.map(String) ?? [])
  const { data } = parsed
  if (data.html === undefined && data.text === undefined)
    throw new ResendError('validation_error', 'Missing `html` or `text` field.')
  return {
    id: crypto.randomUUID(),
    from: data.from,
    to: data.to,
    cc: data.cc ?? [],
    bcc: data.bcc ?? [],
    replyTo: data.reply_to ?? [],
    subject: data.subject,
    html: data.html ?? null,
    text: data.text ?? null,
    headers: data.headers ?? {},
    tags: data.tags ?? [],
    attachments: (data.attachments ?? []).map((one) => ({
      filename: one.filename ?? 'attachment',
      contentType: one.content_type ?? 'application/octet-stream',
      sizeBytes: Buffer.byteLength(one.content ?? '', 'base64'),
      content: one.content ?? null,
    })),
    idempotencyKey,
    scheduledAt: data.scheduled_at ?? null,
    at: new Date().toISOString(),
  }
}

function refusal(body: unknown, [field = '']: string[]): ResendError {
  const isMissing = (body as Record<string, unknown> | null)?.[field] === undefined
  if (isMissing) return new ResendError('missing_required_field', `Missing \`${field}\` field.`)
  if (field === 'attachments')
    return new ResendError('invalid_attachment', 'Attachment must have either a `content` or `path`.')
  const format =
    'The email address needs to follow the `email@example.com` or `Name <email@example.com>` format.'
  if (field === 'from') return new ResendError('invalid_from_address', `Invalid \`from\` field. ${format}`)
  const isAddress = ['to', 'cc', 'bcc', 'reply_to'].includes(field)
  return new ResendError('validation_error', `Invalid \`${field}\` field.${isAddress ? ` ${format}` : ''}`)
}
