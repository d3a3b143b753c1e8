import { z } from 'zod'

/** A moment, as stored in a mail's props. */
export const moment = z.iso.datetime()

/** Of whom the mail is for; dates in it are theirs. */
export const addressee = z.object({ name: z.string(), timeZone: z.string() })

export const greeting = (name: string) => (name.trim() === '' ? 'Hello,' : `Hello ${name.trim()},`)

/** 24 November 2026 */
export const formatDay = (at: string, timeZone: string) =>
  new Intl.DateTimeFormat('en-GB', { timeZone, dateStyle: 'long' }).format(new Date(at))

/** 24 November 2026 at 18:00 (Europe/Berlin) */
export const formatMoment = (at: string | Date, timeZone: string) =>
  `${new Intl.DateTimeFormat('en-GB', { timeZone, dateStyle: 'long', timeStyle: 'short' }).format(new Date(at))} (${timeZone})`

/** $20, $12.50; other currencies by their code. */
export function formatMoney(cents: number, currency: string): string {
  const digits = cents % 100 === 0 ? 0 : 2
  const format = {
    style: 'currency',
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  } as const
  return new Intl.NumberFormat('en-US', format).format(cents / 100)
}
