import type { Message } from '@yourclaw/db'

/** A message as its person sees it. */
export function viewMessage(message: Message) {
  const { id, direction, kind, channel, body, createdAt, state, seq, turnId, code } = message
  const key = channel === 'WEB' ? message.providerMessageId?.slice(message.address.length + 1) : undefined
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
    ...(key !== undefined && { key }),
  }
}

export type MessageView = ReturnType<typeof viewMessage>
