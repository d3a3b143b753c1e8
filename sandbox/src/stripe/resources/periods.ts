import type { Price } from '../objects.ts'

export const hourS = 3_600
export const dayS = 86_400

/** The first end of a period after `afterS`, counted from the anchor, so that the 31st comes back after a short month. */
export function nextPeriodEnd(anchorS: number, price: Price, afterS: number): number {
  const { interval, interval_count: every } = price.recurring ?? {
    interval: 'month' as const,
    interval_count: 1,
  }
  for (let count = 1; ; count += 1) {
    const endS = added(anchorS, interval, count * every)
    if (endS > afterS) return endS
  }
}

function added(atS: number, interval: string, count: number): number {
  if (interval === 'day' || interval === 'week') return atS + count * dayS * (interval === 'week' ? 7 : 1)
  const at = new Date(atS * 1000)
  const day = at.getUTCDate()
  at.setUTCDate(1)
  at.setUTCMonth(at.getUTCMonth() + count * (interval === 'year' ? 12 : 1))
  const last = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate()
  at.setUTCDate(Math.min(day, last))
  return Math.floor(at.getTime() / 1000)
}
