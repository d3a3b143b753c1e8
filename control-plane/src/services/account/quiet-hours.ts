/** When an assistant does not speak first, in the person's own time; from 22:00 until 07:00 goes over midnight. */
export interface QuietHours {
  /** HH:MM. */
  from: string
  until: string
}

/** Two columns, minutes after local midnight; null = none. */
interface Columns {
  quietFromMinute: number | null
  quietUntilMinute: number | null
}

export function quietHoursOf({ quietFromMinute, quietUntilMinute }: Columns): QuietHours | null {
  if (quietFromMinute === null || quietUntilMinute === null) return null
  return { from: timeOf(quietFromMinute), until: timeOf(quietUntilMinute) }
}

export function quietColumns(hours: QuietHours | null): Columns {
  return {
    quietFromMinute: hours && minuteOf(hours.from),
    quietUntilMinute: hours && minuteOf(hours.until),
  }
}

const timeOf = (minute: number) =>
  [Math.floor(minute / 60), minute % 60].map((n) => String(n).padStart(2, '0')).join(':')

function minuteOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return hours * 60 + minutes
}
