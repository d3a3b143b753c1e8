import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const wordIn = (stateDir: string) => join(stateDir, 'assistants-may-leave')

/**
 * Whether so many of a host's assistants may be ended at once because nobody names them: a fifth, or one. Deletions name
 * what they delete, so a control plane that has forgotten more than that has rather lost its memory.
 */
export const isFew = (leaving: number, present: number): boolean =>
  leaving <= Math.max(1, Math.floor(present / 5))

/** An operator's word that more may leave, once. */
export const giveWord = (stateDir: string) => writeFile(wordIn(stateDir), '', { mode: 0o600 })

/** True when the word was given; it is used up by asking. */
export const takeWord = (stateDir: string): Promise<boolean> =>
  rm(wordIn(stateDir)).then(
    () => true,
    () => false,
  )
