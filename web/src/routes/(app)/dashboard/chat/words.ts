import type { Message } from '#lib/server/api/views.ts'

/** Why a message has no answer, by the API's code. */
const whyNot: Record<string, string> = {
  turn_canceled: 'Stopped',
  day_limit: 'Not answered: over the limit of a day',
  minute_limit: 'Not answered: too many within a minute',
  not_entitled: 'Not answered: there was no plan at that time',
  no_assistant: 'Not answered: there was no assistant at that time',
}

/** What became of a message, where there is something to say; `isRetryable` = it may be sent once more. */
export function fateOf({
  direction,
  state,
  code,
  stopped,
}: Message): { words: string; isRetryable: boolean } | undefined {
  if (stopped) return { words: 'Stopped', isRetryable: false }
  if (direction === 'OUTBOUND')
    return state === 'FAILED' ? { words: 'It did not reach your phone', isRetryable: false } : undefined
  if (code === 'turn_canceled') return { words: 'Stopped', isRetryable: true }
  if (state === 'REFUSED') return { words: whyNot[code ?? ''] ?? 'Not answered', isRetryable: true }
  return undefined
}

/** YYYY-MM-DD in the person's own time. */
export const dayOf = (iso: string, timeZone: string) =>
  new Intl.DateTimeFormat('en-CA', { dateStyle: 'short', timeZone }).format(new Date(iso))

/** Today, Yesterday, or 3 December 2026. */
export function dayName(day: string, now: string, timeZone: string): string {
  const before = new Date(new Date(now).getTime() - 86_400_000).toISOString()
  if (day === dayOf(now, timeZone)) return 'Today'
  if (day === dayOf(before, timeZone)) return 'Yesterday'
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(day))
}

/** An answer as a screen reader says it in one breath. */
export function spoken(markdown: string): string {
  const plain = markdown
    .replaceAll(/```[\s\S]*?(?:```|$)/g, ' code. ')
    .replaceAll(/[*_`#>|~]/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return plain.length > 400 ? `${plain.slice(0, 400)}… and more.` : plain
}

export const suggestions = [
  'What can you do for me?',
  'Remind me at five to call my sister.',
  'Plan three days in Lisbon for two.',
  'Explain compound interest with an example.',
]
