import type { Readable } from 'node:stream'

/** Where files are kept that every replica must reach: exports, and what hosts hand over. Names are paths with /. */
export interface Store {
  /** Whole or not at all; in the place of an earlier one. */
  put(name: string, sourceFile: string): Promise<void>
  /** Rejects with a `StoredFileMissing` when there is none. */
  get(name: string): Promise<Readable>
  /** Fine when there is none. */
  delete(name: string): Promise<void>
  /** Names that begin so. */
  list(prefix: string): Promise<string[]>
  /** Removes what a `put` that was killed before then left behind. */
  removeUnfinished(before: Date): Promise<void>
}

export class StoredFileMissing extends Error {}
