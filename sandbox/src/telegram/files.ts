import type { File } from '@grammyjs/types'
import { type Keepable, refill } from '../kept.ts'
import { badRequest } from './errors.ts'

export interface StoredFile {
  info: File & { file_path: string }
  bytes: Buffer
  mimeType: string
}

/** The files that people and the bot sent, by file_id and by path. */
export class Files implements Keepable {
  #byId = new Map<string, StoredFile>()
  #count = 0

  save(): Map<string, StoredFile> {
    return this.#byId
  }

  load(saved: Map<string, StoredFile>): void {
    refill(this.#byId, saved)
    for (const file of saved.values()) file.bytes = Buffer.from(file.bytes)
    this.#count = saved.size
  }

  add(folder: string, extension: string, mimeType: string, bytes: Buffer): StoredFile {
    this.#count += 1
    const id = `sandbox-file-${this.#count}`
    const info = {
      file_id: id,
      file_unique_id: `unique-${this.#count}`,
      file_size: bytes.length,
      file_path: `${folder}/file_${this.#count}.${extension}`,
    }
    const file = { info, bytes, mimeType }
    this.#byId.set(id, file)
    return file
  }

  /** @throws BotApiError for a file_id that was never handed out */
  get(id: string): StoredFile {
    const file = this.#byId.get(id)
    if (!file) throw badRequest('invalid file_id')
    return file
  }

  atPath(path: string): StoredFile | undefined {
    return this.#byId.values().find((file) => file.info.file_path === path)
  }
}
