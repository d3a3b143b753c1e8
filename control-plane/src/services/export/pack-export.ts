import { createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ZipFile } from 'yazl'
import { sealStream } from '../../storage/sealed-file.ts'
import type { ExportFile } from './contents.ts'

/** Packs files into one zip and seals it on its way to `destination`; resolves with the length of the zip. */
export async function packExport(input: {
  files: readonly ExportFile[]
  key: Uint8Array
  destination: string
  signal: AbortSignal
}): Promise<{ sizeBytes: number }> {
  const { files, key, destination, signal } = input
  const zip = new ZipFile()
  const out = new PassThrough()
  for (const { name, open } of files) {
    zip.addReadStreamLazy(name, { compress: !name.endsWith('.gz') }, (give) => {
      const pass = (stream: Readable) => give(null, stream.once('error', fail))
      open().then(pass, fail)
    })
  }
  function fail(error: unknown): void {
    out.destroy(error instanceof Error ? error : new Error(String(error)))
  }
  zip.on('error', fail)
  zip.outputStream.pipe(out)
  zip.end()
  let sizeBytes = 0
  out.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length
  })
  await pipeline(out, sealStream(key), createWriteStream(destination, { mode: 0o600 }), { signal })
  if ((await stat(destination)).size < sizeBytes) throw new Error('the export was not written whole')
  return { sizeBytes }
}
