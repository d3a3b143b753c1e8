import type { Logger } from 'pino'
import twilio from 'twilio'
import {
  type Attempt,
  type ChannelSender,
  type ContentStore,
  type OutgoingFiles,
  type Payload,
  SendError,
} from './sender.ts'
import { twilioFailure } from './twilio-errors.ts'
import { choiceOf } from './whatsapp-choices.ts'
import { createContents } from './whatsapp-contents.ts'
import { mediaOf } from './whatsapp-files.ts'

export interface WhatsappChannelSettings {
  accountSid: string
  authToken: string
  /** The sender, with its country code. */
  number: string
  /** One root for all of Twilio's APIs, without a trailing slash; undefined = Twilio's own. */
  apiBase: string | undefined
  /** Where Twilio tells what became of a message. */
  statusUrl: string
  files: OutgoingFiles
  /** Where it is kept which contents of ours Twilio has. */
  contents: ContentStore
  log: Logger
}

export interface Whatsapp extends ChannelSender {
  /** Makes the sender's messages arrive at `url`. False when the account has no such sender: Twilio's test number. */
  setWebhook(url: string): Promise<boolean>
  /** Whether there is such a sender, and its messages go elsewhere. */
  isWebhookLost(url: string): Promise<boolean>
}

const timeoutMs = 20_000
/** Twilio's connection overrides: five more attempts whatever the failure, in the 15 seconds it has. */
const retried = (url: string) => `${url}#rc=5&rp=all`

/** WhatsApp by Twilio. Connects to nothing until it is used. */
export function createWhatsapp(settings: WhatsappChannelSettings): Whatsapp {
  const from = `whatsapp:${settings.number}`
  let connected: twilio.Twilio | undefined
  const client = () => {
    connected ??= connect(settings)
    return connected
  }
  const contents = createContents({ client, store: settings.contents, log: settings.log })
  const post = async (address: string, content: object, attempt: Attempt | undefined) => {
    const statusCallback = attempt && { statusCallback: retried(statusUrl(settings.statusUrl, attempt)) }
    const { sid } = await client().messages.create({ from, to: address, ...content, ...statusCallback })
    return { providerMessageId: sid }
  }
  /** Null when the part has no buttons, or Twilio does not take them: then it goes with numbers. */
  const postChoice = async (address: string, payload: Payload, attempt: Attempt | undefined) => {
    const choice = choiceOf(payload)
    const contentSid = choice && (await contents.sidOf(choice.shape))
    if (!choice || contentSid === null) return null
    try {
      const contentVariables = JSON.stringify(choice.variables)
      return await post(address, { contentSid, contentVariables }, attempt)
    } catch (error) {
      if (toSendError(error).kind !== 'permanent') throw error
      const code = error instanceof twilio.RestException ? error.code : undefined
      await contents.refused(choice.shape, contentSid, code)
      return null
    }
  }
  /** Undefined when the account has no such sender. */
  const findSender = async () => {
    const senders = await client().messaging.v2.channelsSenders.list({ channel: 'whatsapp' })
    const sender = senders.find(({ senderId }) => senderId === from)
    return sender?.sid ? { sid: sender.sid, url: sender.webhook?.callbackUrl } : undefined
  }
  return {
    typingLastsMs: 25_000,
    tellsFate: true,
    async send(address, payload, attempt) {
      try {
        const chosen = await postChoice(address, payload, attempt)
        return chosen ?? (await post(address, await contentOf(payload, settings.files), attempt))
      } catch (error) {
        throw toSendError(error)
      }
    },
    async typing(_address, replyTo) {
      if (replyTo === null) return
      try {
        await client().messaging.v2.typingIndicator.create({ channel: 'whatsapp', messageId: replyTo })
      } catch (error) {
        throw toSendError(error)
      }
    },
    async setWebhook(url) {
      try {
        const sender = await findSender()
        if (!sender) return false
        // The SDK hands JSON bodies on as they are, and Twilio's names have underscores; its types say otherwise.
        const webhook: object = { callback_url: retried(url), callback_method: 'POST' }
        await client().messaging.v2.channelsSenders(sender.sid).update({ webhook })
        return true
      } catch (error) {
        throw toSendError(error)
      }
    },
    async isWebhookLost(url) {
      try {
        const sender = await findSender()
        return sender !== undefined && sender.url !== retried(url)
      } catch (error) {
        throw toSendError(error)
      }
    },
  }
}

function connect({ accountSid, authToken, apiBase }: WhatsappChannelSettings): twilio.Twilio {
  const client = twilio(accountSid, authToken, { timeout: timeoutMs })
  if (apiBase !== undefined) {
    for (const domain of [client.api, client.messaging, client.content]) domain.baseUrl = apiBase
  }
  return client
}

async function contentOf({ text, template, file }: Payload, files: OutgoingFiles) {
  if (template === undefined) return file ? mediaOf(file, text, files) : { body: text }
  return { contentSid: template.contentSid, contentVariables: JSON.stringify(template.variables) }
}

const statusUrl = (base: string, { deliveryId, attempt }: Attempt) =>
  `${base}?delivery=${deliveryId}&attempt=${attempt}`

/** The cause is left out on purpose: Twilio's words hold the address, and a failed request holds our credentials. */
function toSendError(error: unknown): SendError {
  if (error instanceof SendError) return error
  if (!(error instanceof twilio.RestException)) return new SendError('twilio_unreachable')
  const { status, code } = error
  const { kind, retryAfterMs } = twilioFailure(code, status)
  return new SendError(`twilio_${code ?? status}`, {
    kind,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs, isGuess: true }),
  })
}
