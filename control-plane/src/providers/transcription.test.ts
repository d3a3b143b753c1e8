import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { createTranscription } from './transcription.ts'

test('M14: what nobody could be given has cost nothing, and what broke off may have', async () => {
  const server = createServer((socket) => socket.once('data', () => socket.destroy())).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const transcribe = createTranscription({ baseUrl: `http://127.0.0.1:${port}`, apiKey: 'k', model: 'm' })
  const input = { bytes: Buffer.from('x'), mimeType: 'audio/ogg', signal: new AbortController().signal }
  await expect(transcribe(input)).rejects.toMatchObject({ isPassing: true, mayCost: true })
  server.close()
  await once(server, 'close')
  await expect(transcribe(input)).rejects.toMatchObject({ isPassing: true, mayCost: false })
})
