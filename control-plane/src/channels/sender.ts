import type { Channel } from '@yourclaw/db'
import { z } from 'zod'

/** One part of one message, ready for its channel. `html` wins where the channel shows it; `text` is the plain way out. */
export const payloadSchema = z.object({ text: z.string(), html: z.string().optional() })
export type Payload = z.infer<typeof payloadSchema>

/** Sends one part. Resolves when the provider accepted it; throws SendError otherwise. */
export interface ChannelSender {
  send(address: string, payload: Payload): Promise<{ providerMessageId: string }>
}

export type ChannelSenders = Partial<Record<Channel, ChannelSender>>

/** Why a provider did not take a part. Carries no secret and no text of the user. */
export class SendError extends Error {
  /** Stable, lower-case, with underscores. */
  readonly code: string
  /** True when the same request can never succeed: a blocked bot, a chat that is gone. */
  readonly permanent: boolean
  /** How long the provider asks us to wait. */
  readonly retryAfterMs: number | undefined

  constructor(code: string, options: { permanent?: boolean; retryAfterMs?: number; cause?: unknown } = {}) {
    super(code, { cause: options.cause })
    this.name = 'SendError'
    this.code = code
    this.permanent = options.permanent ?? false
    this.retryAfterMs = options.retryAfterMs
  }
}
