import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { Api, GrammyError } from 'grammy'
import type { Source } from '../services/attachment/attachment.ts'
import { type FileSources, SourceError } from '../services/attachment/sources.ts'

interface SourceSettings {
  telegram: { token: string; apiRoot: string }
  twilio: { accountSid: string; authToken: string; apiBase: string | undefined }
}

const maxRedirects = 3

/**
 * Where Twilio keeps media: its own hosts, and its own bucket at Amazon
 * (https://www.twilio.com/docs/messaging/api/media-resource). Every other address is refused, whoever names it.
 */
const isTwilioStorage = ({ protocol, hostname, pathname, port }: URL) =>
  protocol === 'https:' &&
  port === '' &&
  (/^(mms|media)\.twiliocdn\.com$/.test(hostname) ||
    (hostname === 's3-external-1.amazonaws.com' && pathname.startsWith('/media.twiliocdn.com/')))

/** A message says which file; where it is fetched is decided here. */
export function createFileSources({ telegram, twilio }: SourceSettings): FileSources {
  const api = new Api(telegram.token, { apiRoot: telegram.apiRoot, timeoutSeconds: 30 })
  const twilioRoot = new URL(twilio.apiBase ?? 'https://api.twilio.com')
  const accounts = `${twilioRoot.pathname.replace(/\/$/, '')}/2010-04-01/Accounts/${twilio.accountSid}/`

  async function openTelegram(fileId: string, signal: AbortSignal) {
    // grammY takes Node's own signal, and has another one's type for it.
    const asked = api.getFile(fileId, signal as Parameters<typeof api.getFile>[1])
    const { file_path: path } = await asked.catch((error: unknown) => {
      throw toSourceError(error)
    })
    if (path === undefined || path.split('/').includes('..')) throw new SourceError('file_unavailable')
    const at = path.split('/').map(encodeURIComponent).join('/')
    return get(`${telegram.apiRoot}/file/bot${telegram.token}/${at}`, { redirect: 'error', signal })
  }

  async function openTwilio(address: string, signal: AbortSignal) {
    const first = new URL(address)
    // Our credentials go there, so it must be Twilio, and our own account.
    if (first.origin !== twilioRoot.origin || !first.pathname.startsWith(accounts))
      throw new SourceError('file_unavailable')
    const authorization = `Basic ${Buffer.from(`${twilio.accountSid}:${twilio.authToken}`).toString('base64')}`
    let next: { url: URL; headers: Record<string, string> } = { url: first, headers: { authorization } }
    for (let hop = 0; hop <= maxRedirects; hop += 1) {
      const response = await get(next.url.href, { redirect: 'manual', headers: next.headers, signal })
      if (response.status < 300 || response.status > 399) return response
      await response.body?.cancel()
      const url = new URL(response.headers.get('location') ?? '', next.url)
      if (url.origin !== twilioRoot.origin && !isTwilioStorage(url)) throw new SourceError('file_unavailable')
      next = { url, headers: {} }
    }
    throw new SourceError('file_unavailable')
  }

  return {
    async open(source: Source, signal) {
      const response =
        source.at === 'telegram'
          ? await openTelegram(source.fileId, signal)
          : await openTwilio(source.url, signal)
      if (!response.ok || response.body === null) {
        await response.body?.cancel()
        const isPassing = response.status >= 500 || response.status === 429
        throw new SourceError('file_unavailable', { isPassing })
      }
      return Readable.fromWeb(response.body as ReadableStream)
    },
  }
}

/** The cause is left out on purpose: Telegram's address holds the token. */
async function get(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch {
    throw new SourceError('file_unavailable', { isPassing: true })
  }
}

function toSourceError(error: unknown): SourceError {
  if (!(error instanceof GrammyError)) return new SourceError('file_unavailable', { isPassing: true })
  if (/too big/i.test(error.description)) return new SourceError('file_too_large')
  return new SourceError('file_unavailable', { isPassing: error.error_code >= 429 })
}
