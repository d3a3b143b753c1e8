/** What one check found. A problem keeps this host from doing its work; a warning will, or may. */
export interface Finding {
  check: string
  state: 'ok' | 'warning' | 'problem'
  /** What is, and on the next line what to do about it. */
  words: string
}

export type Check = () => Promise<Finding[]>

/** The three ways to end a check of that name. */
export const findingsOf = (check: string) => ({
  ok: (words: string): Finding => ({ check, state: 'ok', words }),
  warning: (words: string): Finding => ({ check, state: 'warning', words }),
  problem: (words: string): Finding => ({ check, state: 'problem', words }),
})

export const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
