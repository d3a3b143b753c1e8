/**
 * The name under which an assistant keeps one of its conversations. The first has no number: it is older than the
 * others.
 */
export const sessionKey = (assistantId: string, conversation: number) =>
  conversation === 0 ? `yourclaw-${assistantId}` : `yourclaw-${assistantId}-${conversation}`
