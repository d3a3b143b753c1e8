import { TurnInput } from '@yourclaw/proto/host/v1'
import type { TurnInputMessages } from './deps.ts'

export const turnDeadlineMs = 10 * 60_000

/** What the control plane must know of an agent to tell it a turn's input with its announcement. */
export const turnInputCapability = 'turn-input'

/** On a session's stream, which carries every assistant's turns: more would keep others waiting (F8). */
const maxAnnouncedBytes = 16 * 1024

export function toTurnInput({ messages, history }: TurnInputMessages, nowMs: number): TurnInput {
  return {
    messages: messages.map(({ text, at }) => ({ text, atUnixMs: BigInt(at) })),
    history,
    deadlineUnixMs: BigInt(nowMs + turnDeadlineMs),
  }
}

/** What may travel with StartTurn; undefined when the agent has to ask for it on the turn's own stream. */
export function announcedInput(claimed: TurnInputMessages, nowMs: number): TurnInput | undefined {
  // What is more than words comes on the turn's own stream, and before them.
  if (claimed.hasMore) return undefined
  const input = toTurnInput(claimed, nowMs)
  return TurnInput.encode(input).finish().byteLength <= maxAnnouncedBytes ? input : undefined
}
