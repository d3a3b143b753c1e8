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
