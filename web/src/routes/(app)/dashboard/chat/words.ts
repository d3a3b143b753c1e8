import type { Message } from '#lib/server/api/views.ts'

/** A command is a notice, too, and its person's own words. */
export const writerOf = ({ direction, kind }: Pick<Message, 'direction' | 'kind'>) =>
  direction === 'INBOUND' ? 'You' : kind === 'NOTICE' ? 'YourClaw' : 'Assistant'

type Refusal = NonNullable<Message['refusal']>

/** Why a message has no answer. */
const whyNot: Record<Refusal, string> = {
  day_limit: 'That was over the limit of the day.',
  minute_limit: 'Those were too many within a minute.',
  not_entitled: 'There was no plan at that time.',
  no_assistant: 'There was no assistant at that time.',
  opted_out: 'You had written STOP there. Write START there to go on.',
  turn_failed: 'Your assistant could not. The notice about it says why.',
}

/** Whether the API stored a message although it refused it. */
export const isRefusal = (code: string): code is Refusal => Object.hasOwn(whyNot, code)

interface Fate {
  words: string
  why?: string
  /** It may be sent once more. */
  isRetryable: boolean
}

/** What became of a message, where there is something to say. */
export function fateOf({ direction, state, code, refusal, stopped }: Message): Fate | undefined {
  if (stopped) return { words: 'Stopped', isRetryable: false }
  if (direction === 'OUTBOUND')
    return state === 'FAILED' ? { words: 'It did not reach your phone', isRetryable: false } : undefined
  if (code === 'turn_canceled') return { words: 'Stopped', isRetryable: true }
  if (refusal) return { words: 'Not answered', why: whyNot[refusal], isRetryable: true }
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
    // Of a link or a picture its name; of a table its cells.
    .replaceAll(/!?\[([^\][]*)\]\((?:[^()\n]|\([^()\n]*\))*\)/g, '$1')
    .replaceAll(/^[ \t|:-]+$/gm, '')
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
