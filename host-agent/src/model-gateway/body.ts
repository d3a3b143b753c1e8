import type { IncomingMessage } from 'node:http'
import { Refusal, tooLarge } from './refusal.ts'

/** The largest body a provider of ours takes (Anthropic's Messages API), in bytes. */
const maxBodyBytes = 32 * 1024 * 1024

/** A caller that has begun and sends nothing more. */
const slowMs = 60_000

/** The whole request: it may have to be sent again. Refuses what is too long, too slow, or more than `grow` allows. */
export async function readBody(request: IncomingMessage, grow: (bytes: number) => void): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const stop = (error: unknown) => {
      request.off('data', take)
      // Read on to nowhere: a body that is too long must leave its connection open for the refusal.
      request.resume()
      reject(error)
    }
    const take = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxBodyBytes) return stop(tooLarge(maxBodyBytes))
      try {
        grow(chunk.length)
        chunks.push(chunk)
      } catch (error) {
        chunks.length = 0
        stop(error)
      }
    }
    request.on('data', take)
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', stop)
    request.once('close', () => stop(new Error('the caller broke off')))
    request.setTimeout(slowMs, () => stop(new Refusal(408, 'request_too_slow', 'The request did not come.')))
  })
}
