const longestQuote = 300

/** One line of somebody's words, not long. */
export function excerpt(text: string): string {
  const line = [...text.replace(/\s+/g, ' ').trim()]
  return line.length > longestQuote ? `${line.slice(0, longestQuote).join('')}…` : line.join('')
}

/** A message that is answered, as its provider says it. */
export interface RepliedWords {
  /** The bot's, be it the assistant or us. */
  isOurs: boolean
  text: string
}

/** What the model is told of a message that answers another one. */
export function answerLine(isOurs: boolean, text: string): string {
  return `[The user answers ${whose(isOurs)}${quoted(text)}]`
}

export const whose = (isOurs: boolean) => (isOurs ? 'your message' : 'a message of their own')

export function quoted(text: string): string {
  const short = excerpt(text)
  return short === '' ? '' : `: "${short}"`
}
