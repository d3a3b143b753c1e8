import { Api, GrammyError, HttpError } from 'grammy'
import { newestPart } from './newest-part.ts'
import { type Button, type ChannelSender, type OutgoingFiles, type Payload, SendError } from './sender.ts'
import { sendFile } from './telegram-files.ts'
import { formatTelegram } from './telegram-format.ts'

export interface TelegramSettings {
  token: string
  /** Bot API server, without a trailing slash. */
  apiRoot: string
  files: OutgoingFiles
}

/** Fifty megabytes over a slow line. */
const uploadSeconds = 300

export interface Telegram extends ChannelSender {
  /** Asks for what the webhook understands: what is not asked for is not sent. */
  setWebhook(url: string, secret: string): Promise<void>
  /** Lists commands in the app's menu. */
  setCommands(commands: readonly { name: string; description: string }[]): Promise<void>
  /** Whether updates go elsewhere, or nowhere. */
  isWebhookLost(url: string): Promise<boolean>
}

const updateKinds = [
  'message',
  'edited_message',
  'callback_query',
  'message_reaction',
  'stopped_message_generation',
] as const

/** @example const telegram = createTelegram({ token, apiRoot: 'https://api.telegram.org', files }) */
export function createTelegram(settings: TelegramSettings): Telegram {
  const { token, apiRoot, files } = settings
  const api = new Api(token, { apiRoot, timeoutSeconds: 30 })
  const uploads = new Api(token, { apiRoot, timeoutSeconds: uploadSeconds })
  const sendPayload = async ({ file, ...payload }: Payload, address: string) => {
    if (!file) return sendPart(api, address, payload)
    const outcome = await sendFile({ api: uploads, files, address, payload, file })
    return 'sent' in outcome ? outcome.sent : sendPart(api, address, outcome.instead)
  }
  return {
    typingLastsMs: 5_000,
    tellsFate: false,
    async send(address, payload) {
      try {
        const sent = await sendPayload(payload, address)
        return { providerMessageId: String(sent.message_id) }
      } catch (error) {
        throw toSendError(error)
      }
    },
    async typing(address) {
      try {
        await api.sendChatAction(address, 'typing')
      } catch (error) {
        throw toSendError(error)
      }
    },
    async closeButtons(address, providerMessageId) {
      try {
        await api.editMessageReplyMarkup(address, Number(providerMessageId))
      } catch (error) {
        throw toSendError(error)
      }
    },
    async preview(address, draftId, markdown) {
      const [part] = formatTelegram(newestPart(markdown))
      // The button that stops it comes with it; what was stopped stays until its answer is there.
      const options = { can_stop: true, keep_on_stop: true }
      const html = part?.html === undefined ? {} : { parse_mode: 'HTML' as const }
      try {
        await api.sendMessageDraft(Number(address), draftId, part?.html ?? part?.text ?? '', {
          ...options,
          ...html,
        })
      } catch (error) {
        throw toSendError(error)
      }
    },
    async setWebhook(url, secret) {
      await api.setWebhook(url, { secret_token: secret, allowed_updates: [...updateKinds] })
    },
    async setCommands(commands) {
      await api.setMyCommands(commands.map(({ name, description }) => ({ command: name, description })))
    },
    async isWebhookLost(url) {
      return (await api.getWebhookInfo()).url !== url
    },
  }
}

/** HTML first; when Telegram cannot read it, the same words without marks (M7). */
async function sendPart(api: Api, address: string, payload: Payload) {
  const options = {
    link_preview_options: { is_disabled: true },
    ...(payload.buttons && { reply_markup: keyboardOf(payload.buttons) }),
  }
  if (payload.html === undefined) return api.sendMessage(address, payload.text, options)
  try {
    return await api.sendMessage(address, payload.html, { ...options, parse_mode: 'HTML' })
  } catch (error) {
    if (!isEntityError(error)) throw error
    return api.sendMessage(address, payload.text, options)
  }
}

const keyboardOf = (buttons: readonly Button[]) => ({
  inline_keyboard: buttons.map(({ label, data }) => [{ text: label, callback_data: data }]),
})

const isEntityError = (error: unknown) =>
  error instanceof GrammyError && error.error_code === 400 && /parse entities|entity/i.test(error.description)

/** The cause is left out on purpose where it could hold the token: grammY puts the URL into HttpError. */
function toSendError(error: unknown): SendError {
  if (error instanceof SendError) return error
  if (error instanceof GrammyError) {
    const waitSeconds = error.parameters.retry_after
    if (error.error_code === 429) {
      return new SendError('telegram_429', { retryAfterMs: (waitSeconds ?? 1) * 1000 })
    }
    // 401 and 404 mean our token, not this message: it can be sent once the token is right.
    const isPermanent = error.error_code === 400 || error.error_code === 403
    return new SendError(`telegram_${error.error_code}`, { kind: isPermanent ? 'permanent' : 'retry' })
  }
  if (error instanceof HttpError) return new SendError('telegram_unreachable')
  return new SendError('telegram_error', { cause: error })
}
