import { randomBytes } from 'node:crypto'

/** A string identifier: two letters that name the kind, then 32 hex digits. */
export const sid = (kind: 'SM' | 'MM' | 'ME' | 'XE' | 'HX') => `${kind}${randomBytes(16).toString('hex')}`
