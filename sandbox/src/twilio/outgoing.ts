import { z } from 'zod'
import type { Account } from './account.ts'
import type { BusinessEvent } from './chats.ts'
import { isShown, type Rendered, renderContent } from './contents.ts'
import { TwilioError } from './errors.ts'
import { sid } from './ids.ts'
import { fileOf, type Message } from './messages.ts'

/** https://www.twilio.com/docs/api/errors/21617, in UTF-16 units. */
const longestBody = 1600
const windowClosed = 63016
const mediaNotFetched = 63019
/** The channel did not accept the content. */
const notAccepted = 63005
/** https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages */
const largestMediaBytes = 16 * 1024 * 1024
const address = /^whatsapp:(\+[1-9]\d{4,14}|[A-Z]{2}\.[A-Za-z0-9]{1,128})$/

const input = z.object({
  To: z.string().default(''),
  From: z.string().default(''),
  Body: z.string().optional(),
  MediaUrl: z.url({ protocol: /^https?$/ }).optional(),
  ContentSid: z.string().optional(),
  ContentVariables: z.string().optional(),
  StatusCallback: z.url().optional().catch(undefined),
})

/** Messages.create: refuses at once what Twilio refuses at once; the rest is told by status callbacks. */
export function createMessage(account: Account, path: string, form: Record<string, string>): Message {
  const given = input.parse(form)
  check(account, given.From, given.To)
  const { body, choices, kind, isAccepted } = contentOf(account, given)
  const message: Message = {
    sid: sid('SM'),
    direction: 'outbound-api',
    from: given.From,
    to: given.To,
    body,
    status: 'queued',
    errorCode: null,
    at: new Date(),
    media: [],
  }
  account.messages.add(message)
  const event: BusinessEvent = {
    sid: message.sid,
    kind,
    body,
    status: message.status,
    ...(given.ContentSid !== undefined && { contentSid: given.ContentSid }),
    ...(choices && { choices }),
    at: message.at.toISOString(),
    request: { path, body: form },
  }
  account.chats.addBusiness(given.To, event)
  const refusal = isAccepted ? null : notAccepted
  const fate =
    account.faults.takeErrorCode('twilio') ?? (isAllowed(account, kind, given.To) ? refusal : windowClosed)
  const target = given.StatusCallback ?? account.webhook.statusUrl
  account.enqueue(message.sid, async () => {
    const fetched = given.MediaUrl === undefined || (await attach(message, event, given.MediaUrl))
    await travel(account, message, event, { fate: fate ?? (fetched ? null : mediaNotFetched), target })
  })
  return message
}

/** Twilio fetches what is sent, and takes its type from the answer. False when that cannot be. */
async function attach(message: Message, event: BusinessEvent, url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => undefined)
  const contentType = response?.headers.get('content-type')
  if (!response?.ok || !contentType) return false
  const media = { sid: sid('ME'), contentType, bytes: Buffer.from(await response.arrayBuffer()) }
  message.media.push(media)
  event.file = fileOf(message, media)
  return media.bytes.length <= largestMediaBytes
}

function check(account: Account, from: string, to: string): void {
  if (to === '') throw new TwilioError(400, 21604, "A 'To' phone number is required.")
  if (!address.test(to))
    throw new TwilioError(400, 21211, `The 'To' number ${to} is not a valid phone number.`)
  if (from !== account.sender) {
    throw new TwilioError(400, 63007, 'Twilio could not find a Channel with the specified From address')
  }
  if (account.contacts.isOptedOut(to)) {
    throw new TwilioError(400, 21610, 'Attempt to send to unsubscribed recipient')
  }
}

interface Contained extends Rendered {
  kind: 'message' | 'template'
  isAccepted: boolean
}

function contentOf({ contents }: Account, given: z.output<typeof input>): Contained {
  if (given.ContentSid !== undefined) {
    const content = contents.find(given.ContentSid)
    if (!content) throw new TwilioError(400, 21655, 'The ContentSid is Invalid')
    const rendered = renderContent(content, given.ContentVariables)
    const kind = content.isApproved ? 'template' : 'message'
    return { ...rendered, kind, isAccepted: isShown(rendered, content) }
  }
  const body = given.Body ?? ''
  if (body.trim() === '' && given.MediaUrl === undefined) {
    throw new TwilioError(400, 21602, 'Message body is required.')
  }
  if (body.length > longestBody) {
    const message = 'The concatenated message body exceeds the 1600 character limit.'
    throw new TwilioError(400, 21617, message)
  }
  return { body, kind: 'message', isAccepted: true }
}

const isAllowed = ({ contacts }: Account, kind: 'message' | 'template', to: string) =>
  kind === 'template' || contacts.isWindowOpen(to)

/** queued → sent → delivered → read, or queued → failed; each told once and in order. */
async function travel(
  account: Account,
  message: Message,
  event: BusinessEvent,
  { fate, target }: { fate: number | null; target: string },
): Promise<void> {
  await tell(account, message, target)
  const isKnown = account.contacts.exists(message.to)
  const failure = fate ?? (isKnown ? null : 63024)
  const steps: Message['status'][] = failure === null ? ['sent', 'delivered', 'read'] : ['failed']
  for (const status of steps) {
    message.status = status
    message.errorCode = failure
    event.status = status
    if (failure !== null) event.errorCode = failure
    await tell(account, message, target)
  }
}

async function tell(account: Account, message: Message, target: string): Promise<void> {
  if (target === '') return
  await account.callbacks.post(target, {
    AccountSid: account.accountSid,
    ApiVersion: '2010-04-01',
    ChannelInstallSid: `XE${account.accountSid.slice(2)}`,
    ChannelPrefix: 'whatsapp',
    ChannelToAddress: message.to.slice('whatsapp:'.length),
    From: message.from,
    MessageSid: message.sid,
    MessageStatus: message.status,
    SmsSid: message.sid,
    SmsStatus: message.status,
    StructuredMessage: 'false',
    To: message.to,
    ...(message.status === 'read' ? { EventType: 'READ' } : {}),
    ...(message.errorCode === null
      ? {}
      : { ErrorCode: String(message.errorCode), ChannelStatusMessage: 'The message was not delivered.' }),
  })
}

const typingInput = z.object({ messageId: z.string().default(''), channel: z.string().default('') })

/** The typing indicator: 25 seconds or until the next message; it marks the person's message as read. */
export function showTyping(account: Account, path: string, form: Record<string, string>): void {
  const { messageId, channel } = typingInput.parse(form)
  const message = account.messages.get(messageId)
  if (channel !== 'whatsapp' || message?.direction !== 'inbound') {
    throw new TwilioError(
      400,
      20001,
      'Parameter messageId must be the SID of a message on the WhatsApp channel.',
    )
  }
  const received = account.chats.person(message.from).find((event) => event.sid === messageId)
  if (received) received.read = true
  account.chats.addBusiness(message.from, {
    sid: messageId,
    kind: 'typing',
    body: '',
    status: 'shown',
    at: new Date().toISOString(),
    request: { path, body: form },
  })
}
