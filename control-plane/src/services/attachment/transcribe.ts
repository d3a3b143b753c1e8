export interface Heard {
  text: string
  /** As much sound as whoever listened counted, where they say. */
  seconds?: number | undefined
}

/** Writes down what is said. Throws TranscriptionError. */
export type Transcribe = (input: {
  bytes: Uint8Array
  /** What it is, by its content. */
  mimeType: string
  signal: AbortSignal
}) => Promise<Heard>

export class TranscriptionError extends Error {
  /** `not_heard`: nobody can make anything of it. */
  readonly code: 'transcription_failed' | 'not_heard'
  /** True when it may work a moment later. */
  readonly isPassing: boolean
  /** False when nobody listened to it for sure. */
  readonly mayCost: boolean

  constructor(
    code: TranscriptionError['code'],
    options: { isPassing?: boolean; mayCost?: boolean; cause?: unknown } = {},
  ) {
    super(code, { cause: options.cause })
    this.name = 'TranscriptionError'
    this.code = code
    this.isPassing = options.isPassing ?? false
    this.mayCost = options.mayCost ?? false
  }
}
