import type { IncomingMessage } from 'node:http'
import { basename } from 'node:path'
import { z } from 'zod'
import { Refusal } from '../model-gateway/refusal.ts'

/** The line of JSON before the file. */
const maxHeadBytes = 256 * 1024
/** As the control plane bounds what assistants send. */
export const maxFileBytes = 100 * 2 ** 20
/** A caller that has begun and sends nothing more. */
const slowMs = 60_000

const headSchema = z
  .object({
    /** The caller's own, the same when it tries again. */
    id: z.string().min(1).max(500),
    text: z.string().max(100_000).default(''),
    file: z
      .object({ name: z.string().max(4_096), bytes: z.number().int().min(1).max(maxFileBytes) })
      .optional(),
  })
  .refine(({ text, file }) => file !== undefined || text.trim() !== '')

export interface Incoming {
  callId: string
  text: string
  file?: { name: string; bytes: number }
  /** The file's bytes, exactly as many as were said. Throws a Refusal for more or fewer. */
  body: AsyncIterable<Buffer>
}

/** Reads what our channel plugin posts: a line of JSON, and the bytes of its file after it. Throws a Refusal. */
export async function readIncoming(request: IncomingMessage): Promise<Incoming> {
  request.setTimeout(slowMs, () =>
    request.destroy(new Refusal(408, 'request_too_slow', 'The request did not come.')),
  )
  const chunks: AsyncIterator<Buffer> = request[Symbol.asyncIterator]()
  let read = Buffer.alloc(0)
  let end = -1
  while (end < 0) {
    if (read.length > maxHeadBytes) throw malformed()
    const next = await chunks.next()
    if (next.done) throw malformed()
    end = next.value.indexOf(10)
    if (end >= 0) end += read.length
    read = Buffer.concat([read, next.value])
  }
  if (end > maxHeadBytes) throw malformed()
  const head = headSchema.safeParse(parse(read.subarray(0, end).toString('utf8')))
  if (!head.success) throw malformed()
  const { id, text, file } = head.data
  const expected = file?.bytes ?? 0
  async function* body() {
    let bytes = 0
    const count = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > expected) throw malformed()
      return chunk
    }
    yield count(read.subarray(end + 1))
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield count(next.value)
    if (bytes !== expected) throw malformed()
  }
  // A name, whatever it says: nothing here is ever a path.
  const named = file && { name: basename(file.name).slice(0, 255), bytes: file.bytes }
  return { callId: id, text, ...(named && { file: named }), body: body() }
}

const malformed = () => new Refusal(400, 'malformed_message', 'This is not a message that can be sent.')

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
