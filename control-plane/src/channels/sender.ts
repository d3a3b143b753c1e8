import type { Readable } from 'node:stream'
import type { Channel } from '@yourclaw/db'
import { z } from 'zod'

/** A stored file that goes with a part; its bytes are asked for when it is sent. */
export const fileSchema = z.object({
  id: z.uuid(),
  kind: z.enum(['IMAGE', 'AUDIO', 'VIDEO', 'DOCUMENT', 'STICKER']),
  name: z.string(),
  mimeType: z.string(),
  sizeBytes: z.number(),
})
export type OutgoingFile = z.infer<typeof fileSchema>

/** One part of one message, ready for its channel. `html` wins where the channel shows it; `text` is the plain way out. */
export const payloadSchema = z.object({
  text: z.string(),
  html: z.string().optional(),
  /** WhatsApp: an approved template instead of the text. Variables by their name in it. */
  template: z.object({ contentSid: z.string(), variables: z.record(z.string(), z.string()) }).optional(),
  /** Goes out with the text as its caption, which may then be empty. */
  file: fileSchema.optional(),
  /** One below the other, each with what a press sends back (at most 64 bytes). */
  buttons: z.array(z.object({ label: z.string(), data: z.string() })).optional(),
  /** WhatsApp: the words above the buttons; `text` says the same with numbers, for where there can be no buttons. */
  prompt: z.string().optional(),
})
export type Button = NonNullable<Payload['buttons']>[number]
export type Payload = z.infer<typeof payloadSchema>

/** Where channels get the files that they send. */
export interface OutgoingFiles {
  /** Throws SendError file_gone. */
  open(fileId: string): Promise<Readable>
  /** An address that gives the file to whoever has it, for a while: to the person, or to the provider. */
  link(fileId: string, reader: 'person' | 'provider'): Promise<string>
}

/** A part as it goes where its buttons were not taken; null when it has none that could be left out. */
export function withoutButtons({ prompt, buttons: _buttons, ...plain }: Payload): Payload | null {
  return prompt === undefined ? null : plain
}

/** Where it is kept what Twilio calls a content, so that all replicas make it once. */
export interface ContentStore {
  /** `ours`: nobody has it, and for `leaseMs` nobody else makes it; null: somebody else does, or Twilio refused it lately. */
  take(name: string, leaseMs: number): Promise<{ sid: string } | 'ours' | null>
  keep(name: string, sid: string): Promise<void>
  /** It could not be made: not to be tried again before. */
  putOff(name: string, forMs: number): Promise<void>
  /** It is gone at Twilio. */
  forget(name: string, sid: string): Promise<void>
}

/** Which attempt of which delivery it is, for providers that tell later what became of it. */
export interface Attempt {
  deliveryId: string
  /** From 1. */
  attempt: number
}

/** Sends one part. Resolves when the provider accepted it; throws SendError otherwise. */
export interface ChannelSender {
  send(address: string, payload: Payload, attempt?: Attempt): Promise<{ providerMessageId: string }>
  /** Takes the buttons of a sent part away; absent where there are none. */
  closeButtons?(address: string, providerMessageId: string): Promise<void>
  /** Shows that an answer is on its way. `replyTo` is the provider's id of the message that is answered. */
  typing(address: string, replyTo: string | null): Promise<void>
  /** How long the person sees that. */
  readonly typingLastsMs: number
  /**
   * Shows what there is of an answer, in place of what was shown under that number before; an empty text = it thinks.
   * Fades by itself. Absent where a channel cannot.
   */
  preview?(address: string, draftId: number, markdown: string): Promise<void>
  /** True when the provider tells later what became of a part: delivered, read, failed. */
  readonly tellsFate: boolean
}

export type ChannelSenders = Partial<Record<Channel, ChannelSender>>

/**
 * What a failure means for what comes next. `retry`: the same may pass later. `permanent`: it never will.
 * `window_closed`: only templates may be sent until the person writes. `opted_out`: nothing may, until they say so.
 */
export type FailureKind = 'retry' | 'permanent' | 'window_closed' | 'opted_out'

/** Why a provider did not take a part. Carries no secret and no text of the user. */
export class SendError extends Error {
  /** Stable, lower-case, with underscores. */
  readonly code: string
  readonly kind: FailureKind
  /** How long the provider asks us to wait. */
  readonly retryAfterMs: number | undefined
  /** The provider did not say how long: `retryAfterMs` is where to begin, and it is longer each time. */
  readonly isGuess: boolean

  constructor(
    code: string,
    options: { kind?: FailureKind; retryAfterMs?: number; isGuess?: boolean; cause?: unknown } = {},
  ) {
    super(code, { cause: options.cause })
    this.name = 'SendError'
    this.code = code
    this.kind = options.kind ?? 'retry'
    this.retryAfterMs = options.retryAfterMs
    this.isGuess = options.isGuess ?? false
  }
}
