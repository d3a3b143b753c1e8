import { bindByCode } from '../channel/bind-by-code.ts'
import { hearFrom, type OptOut } from '../channel/hear-from.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { receiveMessage } from './receive-message.ts'
import { takeWritten } from './take-written.ts'
import { tellAddress } from './tell-address.ts'
import { texts } from './texts.ts'

/** One message from a phone, as its channel's webhook understood it. */
export interface IncomingInput {
  to: Recipient
  /** Unique within the channel (M2). */
  providerMessageId: string
  providerOrder?: bigint
  /** Already sanitized. */
  body: string
  /** The message is, or holds, a one-time code. */
  bind?: { code: string; username?: string; chatId?: bigint; phoneE164?: string } | undefined
  /** It carries something that is no text. */
  hasMedia: boolean
  /** WhatsApp: it asks to leave or to come back. */
  optOut?: OptOut | undefined
  traceParent?: string | undefined
}

/** What every phone channel does with a message: bind by its code, or answer it, and say what is not understood. */
export async function takeIncoming({
  ctx,
  input,
}: {
  ctx: ConversationCtx
  input: IncomingInput
}): Promise<void> {
  const { to, body, bind, traceParent } = input
  const key = `${to.channel.toLowerCase()}:${input.providerMessageId}`
  const tell = (code: string, once: { kind: string; key: string }, text: string, greetStrangers = false) =>
    tellAddress({ ctx, input: { to, code, text, once, greetStrangers } })

  const heard =
    to.channel === 'WHATSAPP' ? await hearFrom({ ctx, input: { to, optOut: input.optOut } }) : 'open'
  if (heard === 'stopped') return
  if (heard === 'back') {
    await tell('opted_in', { kind: 'opt_in', key }, texts.optedIn)
    return
  }
  if (bind && heard !== 'out') {
    const { outcome } = await bindByCode({ ctx, input: { ...to, ...bind } })
    const answers = {
      bound: texts.bound,
      invalid_code: texts.bindCodeInvalid(ctx.settings.webUrl),
      address_taken: texts.bindAddressTaken,
    }
    // Codes that are no good cost a stranger nothing to send, so only one an hour is answered.
    const hour = new Date(ctx.clock.now()).toISOString().slice(0, 13)
    const once = outcome === 'invalid_code' ? { kind: 'bind_invalid', key: hour } : { kind: 'bind', key }
    await tell(`bind_${outcome}`, once, answers[outcome])
    return
  }
  if (body.trim() !== '') {
    const { providerMessageId, providerOrder } = input
    const received = {
      ...to,
      providerMessageId,
      body,
      ...(providerOrder === undefined ? {} : { providerOrder }),
      ...(traceParent === undefined ? {} : { traceParent }),
    }
    // A caption, and what somebody writes who asked to be left alone, is no command.
    const take = heard === 'out' || input.hasMedia ? receiveMessage : takeWritten
    const { outcome } = await take({ ctx, input: received })
    // A duplicate goes on: the first delivery may have ended before it told.
    if (outcome === 'refused' || outcome === 'unknown_sender') return
  }
  if (input.hasMedia && heard !== 'out')
    await tell('media_unsupported', { kind: 'media', key }, texts.mediaUnsupported, true)
}
