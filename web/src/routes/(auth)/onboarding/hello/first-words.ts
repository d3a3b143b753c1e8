import type { Message } from '#lib/server/api/views.ts'

/**
 * How far the first exchange with an assistant is: nothing → arrived (it is answering) → answered, when the answer was
 * sent; or unanswered (refused, stopped, or nothing to say), or lost on its way to the phone.
 */
export interface FirstWords {
  state: 'nothing' | 'arrived' | 'answered' | 'unanswered' | 'lost'
  /** Where they are exchanged. */
  channel?: Message['channel']
}

/** What somebody wrote before there was anybody to answer says nothing of this assistant. */
const tooEarly = new Set<string | undefined>(['not_entitled', 'no_assistant'])

/** Of the newest messages, newest first; what was said before the assistant was created was said with another. */
export function firstWords(messages: readonly Message[], createdAt: string | undefined): FirstWords {
  if (createdAt === undefined) return { state: 'nothing' }
  const since = Date.parse(createdAt)
  const chat = messages.filter(
    ({ kind, code, at }) => kind === 'CHAT' && !tooEarly.has(code) && Date.parse(at) >= since,
  )
  const answers = chat.filter(({ direction }) => direction === 'OUTBOUND')
  const answer = answers.find(({ state }) => state !== 'PENDING' && state !== 'FAILED')
  if (answer) return { state: 'answered', channel: answer.channel }
  const [newest] = chat.filter(({ direction }) => direction === 'INBOUND')
  if (!newest) return { state: 'nothing' }
  const { channel } = newest
  if (newest.state === 'RECEIVED') return { state: 'arrived', channel }
  const its = answers.find(({ turnId }) => turnId === newest.turnId)
  return { state: its === undefined ? 'unanswered' : its.state === 'FAILED' ? 'lost' : 'arrived', channel }
}
