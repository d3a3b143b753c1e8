import type { Message } from '#lib/server/api/views.ts'

/**
 * How far the first exchange with an assistant is: nothing → arrived (it is answering) → answered, when the answer was
 * sent; or unanswered, or lost on its way to the phone.
 */
export interface FirstWords {
  state: 'nothing' | 'arrived' | 'answered' | 'unanswered' | 'lost'
  /** Where they are exchanged. */
  channel?: Message['channel']
}

/** What somebody wrote before there was anybody to answer says nothing of this assistant. */
const tooEarly = new Set<string | undefined>(['not_entitled', 'no_assistant'])

/** Of the newest messages, newest first. */
export function firstWords(messages: readonly Message[]): FirstWords {
  const chat = messages.filter(({ kind, code }) => kind === 'CHAT' && !tooEarly.has(code))
  const answers = chat.filter(({ direction }) => direction === 'OUTBOUND')
  const answer = answers.find(({ state }) => state !== 'PENDING' && state !== 'FAILED')
  if (answer) return { state: 'answered', channel: answer.channel }
  const [newest] = chat.filter(({ direction }) => direction === 'INBOUND')
  if (!newest) return { state: 'nothing' }
  const { channel } = newest
  if (newest.state === 'REFUSED') return { state: 'unanswered', channel }
  return { state: answers[0]?.state === 'FAILED' ? 'lost' : 'arrived', channel }
}
