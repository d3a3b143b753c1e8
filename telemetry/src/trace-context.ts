import { randomBytes } from 'node:crypto'

/** version-traceid-parentid-flags, all zeros not allowed (W3C Trace Context, level 1). */
const valid = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/** The caller's trace context when it is one, else the beginning of a new trace (O1). */
export function traceParentFrom(given: string | null | undefined): string {
  if (given && valid.test(given)) return given
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`
}

/** What log lines of one trace share; undefined for work that belongs to none. */
export const traceIdOf = (traceParent: string | null | undefined) => traceParent?.split('-')[1]
