import type { Readable } from 'node:stream'
import type { Source } from './attachment.ts'

/** Fetches what providers keep for us: from their own hosts, and from nowhere else. */
export interface FileSources {
  /** Throws SourceError. What comes is not bounded: whoever reads it counts. */
  open(source: Source, signal: AbortSignal): Promise<Readable>
}

/** Why a file could not be fetched. */
export class SourceError extends Error {
  /** file_too_large, file_unavailable, files_day_limit. */
  readonly code: string
  /** True when it may be there a moment later. */
  readonly isPassing: boolean

  constructor(
    code: 'file_too_large' | 'file_unavailable' | 'files_day_limit',
    options: { isPassing?: boolean; cause?: unknown } = {},
  ) {
    super(code, { cause: options.cause })
    this.name = 'SourceError'
    this.code = code
    this.isPassing = options.isPassing ?? false
  }
}
