import { describeMissing, notTaken } from '../attachment/describe.ts'
import { shownName } from '../attachment/file-name.ts'
import type { IncomingFile } from '../attachment/incoming.ts'
import { fileLimits } from '../attachment/limits.ts'
import { bindByCode } from '../channel/bind-by-code.ts'
import { hearFrom, type OptOut } from '../channel/hear-from.ts'
import type { PressedButton } from '../question/button.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { type Found, findInChat } from './find-in-chat.ts'
import { answerLine, type RepliedWords } from './quote.ts'
import { type ReceiveInput, receiveMessage } from './receive-message.ts'
import { takeWritten } from './take-written.ts'
import { type TellInput, tellAddress } from './tell-address.ts'
import { texts, withoutStoppedMark } from './texts.ts'

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
  /** What the model is told before the text. */
  context?: string | undefined
  /** What its chat calls the message that it answers. */
  repliedSid?: string | undefined
  /** What that was, where the provider says it. */
  repliedWords?: RepliedWords | undefined
  /** What its chat calls it. */
  chatMessageId?: string | undefined
  /** The button below one of our messages that it is a press on. */
  pressed?: PressedButton | undefined
  /** Files that its provider keeps. */
  files: readonly IncomingFile[]
  /** What it carries is nothing that we understand. */
  isUnknown?: boolean
  /** Somebody else's words: no command. */
  isForwarded?: boolean
  album?: string | undefined
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
  const { to, body, bind } = input
  const message = messageOf(input)
  const key = `${to.channel.toLowerCase()}:${input.providerMessageId}`
  const tell = (code: string, once: TellInput['once'], text: TellInput['text'], greetStrangers = false) =>
    tellAddress({ ctx, input: { to, code, text, once, greetStrangers } })

  const heard =
    to.channel === 'WHATSAPP' ? await hearFrom({ ctx, input: { message, optOut: input.optOut } }) : 'open'
  if (heard === 'done') return
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
  const { files, refused, missing } = sort(ctx, input.files)
  const before = await repliedTo(ctx, input)
  const context = contextOf(before, input, missing)
  if (body.trim() !== '' || files.length > 0) {
    const received = { ...message, files, ...(context !== undefined && { context }) }
    // A caption, others' words, and what somebody writes who asked to be left alone, is no command.
    const isPlain = input.files.length === 0 && input.isForwarded !== true
    // A number that answers another message is no answer to what we asked.
    const mayAnswer = input.repliedSid === undefined || before?.isQuestion === true
    const { outcome } =
      heard === 'out' || !isPlain
        ? await receiveMessage({ ctx, input: received })
        : await takeWritten({ ctx, input: received, mayAnswer, pressed: input.pressed })
    // A duplicate goes on: the first delivery may have ended before it told.
    if (outcome === 'refused' || outcome === 'unknown_sender') return
  }
  if (heard === 'out') return
  const unknown = input.isUnknown === true ? [texts.mediaUnsupported] : []
  for (const [index, text] of [...refused, ...unknown].entries())
    await tell('media_unsupported', { kind: 'media', key: `${key}:${index}` }, text, true)
}

/** Its own words, and what it is called. */
function messageOf(input: IncomingInput): ReceiveInput {
  const { to, providerMessageId, body, providerOrder, chatMessageId, album, traceParent } = input
  return {
    ...to,
    providerMessageId,
    body,
    ...(providerOrder !== undefined && { providerOrder }),
    ...(chatMessageId !== undefined && { chatMessageId }),
    ...(album !== undefined && { album }),
    ...(traceParent !== undefined && { traceParent }),
  }
}

async function repliedTo(ctx: ConversationCtx, { to, repliedSid }: IncomingInput) {
  return repliedSid === undefined ? null : findInChat(ctx.db, { ...to, chatMessageId: repliedSid })
}

/**
 * Our own notices are not shown to the model, neither here (M8): of the bot's words only those that are known to be the
 * assistant's.
 */
function contextOf(
  before: Found | null,
  { repliedWords: said, context = '' }: IncomingInput,
  missing: readonly string[],
) {
  const isShown = before ? !before.isNotice : said?.isOurs === false
  const answers = isShown
    ? answerLine(before?.isOurs ?? false, withoutStoppedMark(said?.text ?? before?.body ?? ''))
    : ''
  const lines = [answers, context, ...missing].filter((line) => line !== '')
  return lines.length === 0 ? undefined : lines.join('\n')
}

/** What is known not to be of use is not even stored; why is what the person is told, and the model with their words (M9). */
function sort({ settings }: ConversationCtx, files: readonly IncomingFile[]) {
  const taken: IncomingFile[] = []
  const refused: string[] = []
  const missing: string[] = []
  for (const file of files) {
    const { kind, name } = file
    if ((file.sizeBytes ?? 0) > fileLimits.inbound) {
      const lost = { ...file, name: shownName(name), code: 'file_too_large' }
      refused.push(notTaken(lost))
      missing.push(describeMissing(lost))
    } else if (kind === 'AUDIO' && name === '' && !settings.transcribes) refused.push(texts.voiceUnsupported)
    else taken.push(file)
  }
  return { files: taken, refused, missing }
}
