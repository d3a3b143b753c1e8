/** What a button of a question sends back: opaque to the channel, and 35 of the 64 bytes that Telegram allows. */
export const buttonData = (questionId: string, index: number) =>
  `q${questionId.replaceAll('-', '')}.${index.toString(36)}`

const shape = /^q([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})\.([0-9a-z])$/

/** Which answer of which question a button stands for. */
export interface PressedButton {
  questionId: string
  index: number
}

/** Null for what no button of ours sends. Anybody can make up the rest: see `answerQuestion` for who may answer. */
export function readButton(data: string): PressedButton | null {
  const [, a, b, c, d, e, index] = shape.exec(data) ?? []
  if (index === undefined) return null
  return { questionId: [a, b, c, d, e].join('-'), index: Number.parseInt(index, 36) }
}
