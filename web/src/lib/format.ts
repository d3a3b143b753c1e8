/** Amounts and dates as people read them. Always English, so that the server's page and the browser's agree. */

const dollars = (digits: number) =>
  new Intl.NumberFormat('en-US', {
    style: 'currency',
    currency: 'USD',
    minimumFractionDigits: 2,
    maximumFractionDigits: digits,
  })
const cents = dollars(2)
const fine = dollars(6)

/** Micro-dollars for a million tokens, to the last digit: some models cost fractions of a cent. */
export const unitPrice = (micros: number): string => fine.format(micros / 1_000_000)

/** Micro-dollars; what is less than a cent keeps all its digits, since a model call costs that little. */
export function money(micros: number): string {
  const amount = micros / 1_000_000
  return (amount !== 0 && Math.abs(amount) < 0.01 ? fine : cents).format(amount)
}

export const count = (value: number): string => new Intl.NumberFormat('en-US').format(value)

/** 3 December 2026, in the person's own zone. */
export function longDate(iso: string, timeZone = 'UTC'): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone }).format(new Date(iso))
}

/** 3 December 2026 at 14:05. */
export function dateAndTime(iso: string, timeZone = 'UTC'): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone }).format(
    new Date(iso),
  )
}

/** 14:05, tomorrow or not. */
export function clock(iso: string, timeZone = 'UTC'): string {
  return new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone }).format(new Date(iso))
}

/** A calendar day, YYYY-MM-DD, as 3 Dec. */
export function shortDay(day: string): string {
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' }).format(
    new Date(day),
  )
}

/** A file's size, in the unit that people would use. */
export function fileSize(bytes: number): string {
  const format = (value: number, unit: string) =>
    `${new Intl.NumberFormat('en-US', { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value)} ${unit}`
  if (bytes < 1_000) return format(bytes, 'bytes')
  return bytes < 1_000_000 ? format(bytes / 1_000, 'kB') : format(bytes / 1_000_000, 'MB')
}
