import type { Message } from '@yourclaw/db'

/** A message as its person sees it. */
export function viewMessage(message: Message) {
  const { id, direction, kind, channel, body, createdAt, state, seq, turnId, code } = message
  return {
    id,
    direction,
    kind,
    channel,
    body,
    at: createdAt.toISOString(),
    state,
    seq: Number(seq),
    ...(turnId !== null && { turnId }),
    ...(code !== null && { code }),
  }
}

export type MessageView = ReturnType<typeof viewMessage>
