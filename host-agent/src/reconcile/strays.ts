/**
 * Whether so many of a host's assistants may be ended at once because nobody names them: a fifth, or one. Deletions name
 * what they delete, so a control plane that has forgotten more than that has rather lost its memory.
 */
export const isFew = (leaving: number, present: number): boolean =>
  leaving <= Math.max(1, Math.floor(present / 5))
