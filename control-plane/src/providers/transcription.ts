import { z } from 'zod'
import { type Transcribe, TranscriptionError } from '../services/attachment/transcribe.ts'

const timeoutMs = 60_000
const maxTextLength = 20_000
const answerSchema = z.object({
  text: z.string(),
  /** Of models that are paid by the minute. */
  usage: z
    .object({ type: z.literal('duration'), seconds: z.number().nonnegative() })
    .optional()
    .catch(undefined),
})

/** The name tells the provider what it is. */
const extensions: Record<string, string> = {
  'audio/ogg': 'ogg',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'audio/x-m4a': 'm4a',
  'audio/wav': 'wav',
  'audio/flac': 'flac',
  'audio/webm': 'webm',
}

/**
 * Speech to text by an OpenAI-compatible endpoint (https://platform.openai.com/docs/api-reference/audio); `baseUrl` is
 * what `/audio/transcriptions` is put behind.
 */
export function createTranscription(settings: {
  baseUrl: string
  apiKey: string
  model: string
}): Transcribe {
  return async ({ bytes, mimeType, signal }) => {
    const extension = extensions[mimeType]
    if (extension === undefined) throw new TranscriptionError('not_heard')
    const form = new FormData()
    form.set('model', settings.model)
    form.set('response_format', 'json')
    form.set('file', new Blob([new Uint8Array(bytes)], { type: mimeType }), `voice.${extension}`)
    const response = await fetch(`${settings.baseUrl}/audio/transcriptions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${settings.apiKey}` },
      body: form,
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    }).catch((cause: unknown) => {
      const mayCost = !unconnected.has(codeOf(cause))
      throw new TranscriptionError('transcription_failed', { isPassing: true, mayCost, cause })
    })
    if (!response.ok) {
      await response.body?.cancel()
      const isPassing = response.status >= 500 || response.status === 429
      throw new TranscriptionError(isPassing ? 'transcription_failed' : 'not_heard', { isPassing })
    }
    const answer = answerSchema.safeParse(await response.json().catch(() => null))
    if (!answer.success) throw new TranscriptionError('transcription_failed', { mayCost: true })
    const { text, usage } = answer.data
    return { text: text.slice(0, maxTextLength), seconds: usage?.seconds }
  }
}

/** Nothing was sent. */
const unconnected = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])

/** Of what is beneath an error of `fetch`. */
function codeOf(error: unknown): string {
  const beneath = error instanceof Error ? error.cause : undefined
  return beneath instanceof Error && 'code' in beneath ? String(beneath.code) : ''
}
