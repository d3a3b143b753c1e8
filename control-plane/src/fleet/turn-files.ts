import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { TurnControl, TurnEvent } from '@yourclaw/proto/host/v1'
import type { HandedFile } from './deps.ts'
import { writeTo } from './stream.ts'

/** What an agent says that understands them. */
export const turnFilesCapability = 'turn-files'

const chunkBytes = 256 * 1024

/** Sends files before a turn's input, no faster than the agent takes them, until `signal` aborts. */
export async function sendFiles(
  call: ServerDuplexStream<TurnEvent, TurnControl>,
  files: readonly HandedFile[],
  signal: AbortSignal,
): Promise<void> {
  for (const { path, mimeType, sizeBytes, open } of files) {
    signal.throwIfAborted()
    const file = { path, mimeType, sizeBytes: BigInt(sizeBytes) }
    await writeTo(call, { body: { $case: 'file', file } })
    for await (const bytes of await open()) {
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        signal.throwIfAborted()
        const fileChunk = Buffer.from(bytes.subarray(at, at + chunkBytes))
        await writeTo(call, { body: { $case: 'fileChunk', fileChunk } })
      }
    }
  }
}
