/** When a day begins where somebody is; `later` so many days after it. */
export function beginningOfDay(day: string, timeZone: string, later = 0): Date {
  const atUtc = Date.parse(`${day}T00:00:00Z`) + later * 86_400_000
  // What holds at the guess may not hold at the day's beginning, where clocks change in between.
  const guess = atUtc - offsetMs(atUtc, timeZone)
  return new Date(atUtc - offsetMs(guess, timeZone))
}

function offsetMs(atMs: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).formatToParts(atMs)
  // GMT, GMT+02:00
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(name) ?? []
  return sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

/** A day, or a moment as their own clock shows it, in words; what is neither stays as it is. */
export function inWords(value: string, timeZone: string): string {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(value)
  const at = new Date(value)
  if (Number.isNaN(at.getTime())) return value
  const day = { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric' } as const
  if (isDay) return new Intl.DateTimeFormat('en-GB', { ...day, timeZone: 'UTC' }).format(at)
  const hasSeconds = at.getUTCSeconds() > 0
  const time = {
    hour: '2-digit',
    minute: '2-digit',
    ...(hasSeconds && { second: '2-digit' as const }),
  } as const
  const words = new Intl.DateTimeFormat('en-GB', { ...day, ...time, hourCycle: 'h23', timeZone }).format(at)
  return `${words} (${timeZone})`
}

/** A calendar's day that ends something is the one after its last. */
export const lastDayInWords = (day: string) =>
  inWords(new Date(Date.parse(day) - 86_400_000).toISOString().slice(0, 10), 'UTC')
