import { z } from 'zod'
import { samplePhoto, sampleVoice } from '../samples.ts'
import type { Account } from './account.ts'
import type { PersonEvent } from './chats.ts'
import { sid } from './ids.ts'
import { fileOf, type Media, type Message } from './messages.ts'

const sampleOrBase64 = z.union([z.literal(true), z.base64()])

export const whatsappInput = z
  .object({
    body: z.string().default(''),
    /** Fetched when it is sent; a data: URL will do. */
    mediaUrl: z.url().optional(),
    photo: sampleOrBase64.optional(),
    voice: sampleOrBase64.optional(),
    document: z.object({ name: z.string().min(1), base64: z.base64().optional() }).optional(),
    sticker: z.literal(true).optional(),
    location: z
      .object({ latitude: z.number(), longitude: z.number(), label: z.string().optional() })
      .optional(),
    forwarded: z.boolean().optional(),
    /** Sid of a message of either side. */
    replyTo: z.string().optional(),
    /** A press on a button, or the choice of a line, below the message that `replyTo` names; its title is the body. */
    pressed: z.object({ data: z.string(), isList: z.boolean().default(false) }).optional(),
    profileName: z.string().optional(),
    /** The same message again: what Twilio does when it did not hear our answer. */
    messageSid: z
      .string()
      .regex(/^(SM|MM)[0-9a-f]{32}$/)
      .optional(),
  })
  .refine(
    ({ body, mediaUrl, photo, voice, document, sticker, location }) =>
      body !== '' || mediaUrl || photo || voice || document || sticker || location,
    { message: 'Give a body, mediaUrl, photo, voice, document, sticker or location.' },
  )
export type WhatsappInput = z.output<typeof whatsappInput>

/** Twilio's own words for leaving and coming back (https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out). */
const stopWords = /^\s*(stop|stopall|unsubscribe|cancel|end|quit|revoke|optout)\s*$/i
const startWords = /^\s*(start|unstop|yes)\s*$/i

/** The person sends something: it becomes a signed request to the sender's webhook. */
export async function sendAsPerson(
  account: Account,
  address: string,
  input: WhatsappInput,
  base: string,
): Promise<{ messageSid: string }> {
  const { kind, media } = await mediaOf(input)
  const messageSid = input.messageSid ?? sid(media.length > 0 ? 'MM' : 'SM')
  const message: Message = {
    sid: messageSid,
    direction: 'inbound',
    from: address,
    to: account.sender,
    body: input.body,
    status: 'received',
    errorCode: null,
    at: new Date(),
    media,
  }
  account.messages.add(message)
  account.contacts.heardFrom(address)
  const wasOut = account.contacts.isOptedOut(address)
  const optOut = stopWords.test(input.body)
    ? 'STOP'
    : startWords.test(input.body) && wasOut
      ? 'START'
      : undefined
  if (optOut !== undefined) account.contacts.setOptedOut(address, optOut === 'STOP')
  const profileName = input.profileName ?? account.contacts.profileName(address)
  const parameters = {
    ...parametersOf(account, message, { kind, profileName, base }),
    ...extrasOf(account, input),
    ...(optOut === undefined ? {} : { OptOutType: optOut }),
  }
  const [file] = media.map((one) => fileOf(message, one))
  const event: PersonEvent = {
    sid: messageSid,
    kind,
    body: input.body,
    ...(file && { file }),
    at: message.at.toISOString(),
    delivered: false,
    read: false,
    failedAttempts: 0,
    request: parameters,
  }
  account.chats.addPerson(address, event)
  account.enqueue(address, async () => {
    if (account.webhook.url === '') return
    event.delivered = await account.callbacks.post(account.webhook.url, parameters, () => {
      event.failedAttempts += 1
    })
  })
  return { messageSid }
}

export const pressInput = z.object({
  /** Sid of the message that has the buttons. */
  messageSid: z.string(),
  /** What the button was sent with; anything, as with a forged client. */
  data: z.string(),
  /** What it says; for what no button of that message sends. */
  title: z.string().default('A button'),
})

/** The person presses a button below a message of ours. */
export function pressAsPerson(
  account: Account,
  address: string,
  { messageSid, data, title }: z.output<typeof pressInput>,
  base: string,
): Promise<{ messageSid: string }> {
  const choices = account.chats.business(address).find(({ sid }) => sid === messageSid)?.choices
  const body = choices?.options.find(({ id }) => id === data)?.title ?? title
  const pressed = { data, isList: choices?.list !== undefined }
  return sendAsPerson(account, address, { body, replyTo: messageSid, pressed }, base)
}

/** What Twilio adds for what a message is beside its text. */
function extrasOf(account: Account, input: WhatsappInput) {
  const { body, location, forwarded, replyTo, document, pressed } = input
  return {
    ...(location && { Latitude: String(location.latitude), Longitude: String(location.longitude) }),
    ...(location?.label && { Label: location.label }),
    ...(forwarded && { Forwarded: 'true' }),
    ...(replyTo && { OriginalRepliedMessageSid: replyTo, OriginalRepliedMessageSender: account.sender }),
    ...(document && { MediaFilename0: document.name }),
    ...(pressed && !pressed.isList && { ButtonText: body, ButtonPayload: pressed.data }),
    ...(pressed?.isList && { ListTitle: body, ListId: pressed.data }),
  }
}

/** What Twilio sends today; a person who hides the number has neither a number in From nor a WaId. */
function parametersOf(
  account: Account,
  message: Message,
  { kind, profileName, base }: { kind: PersonEvent['kind']; profileName: string; base: string },
): Record<string, string> {
  const waId = /^whatsapp:\+(\d+)$/.exec(message.from)?.[1]
  const context = { ProfileName: profileName, ...(waId === undefined ? {} : { WaId: waId }) }
  const folder = `${base}/2010-04-01/Accounts/${account.accountSid}/Messages/${message.sid}/Media`
  return {
    SmsMessageSid: message.sid,
    NumMedia: String(message.media.length),
    ProfileName: profileName,
    MessageType: kind,
    SmsSid: message.sid,
    ...(waId === undefined ? {} : { WaId: waId }),
    SmsStatus: 'received',
    Body: message.body,
    To: message.to,
    NumSegments: '1',
    ReferralNumMedia: '0',
    MessageSid: message.sid,
    AccountSid: account.accountSid,
    From: message.from,
    ApiVersion: '2010-04-01',
    ChannelMetadata: JSON.stringify({ type: 'whatsapp', data: { context } }),
    ...Object.fromEntries(
      message.media.flatMap(({ sid, contentType }, index) => [
        [`MediaContentType${index}`, contentType],
        [`MediaUrl${index}`, `${folder}/${sid}`],
      ]),
    ),
  }
}

async function mediaOf(input: WhatsappInput): Promise<{ kind: PersonEvent['kind']; media: Media[] }> {
  const one = (kind: PersonEvent['kind'], contentType: string, bytes: Buffer) => ({
    kind,
    media: [{ sid: sid('ME'), contentType, bytes }],
  })
  const decode = (given: true | string, sample: () => Buffer) =>
    given === true ? sample() : Buffer.from(given, 'base64')
  if (input.pressed) return { kind: 'interactive', media: [] }
  if (input.location) return { kind: 'location', media: [] }
  if (input.sticker) return one('sticker', 'image/webp', samplePhoto())
  if (input.photo) return one('image', 'image/png', decode(input.photo, samplePhoto))
  if (input.voice) return one('audio', 'audio/ogg', decode(input.voice, sampleVoice))
  if (input.document) {
    const { name, base64 } = input.document
    const bytes = base64 === undefined ? Buffer.from(`Sample of ${name}\n`) : Buffer.from(base64, 'base64')
    return one('document', name.endsWith('.pdf') ? 'application/pdf' : 'text/plain', bytes)
  }
  if (input.mediaUrl === undefined) return { kind: 'text', media: [] }
  const response = await fetch(input.mediaUrl)
  const contentType = response.headers.get('content-type') ?? 'application/octet-stream'
  const kind = contentType.startsWith('image/')
    ? 'image'
    : contentType.startsWith('audio/')
      ? 'audio'
      : 'document'
  return one(kind, contentType, Buffer.from(await response.arrayBuffer()))
}
