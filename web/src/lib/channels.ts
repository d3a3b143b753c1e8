/** The messengers one can connect; the API's names and the people's. */
export const channelNames = { TELEGRAM: 'Telegram', WHATSAPP: 'WhatsApp' } as const
export type BindableChannel = keyof typeof channelNames

/** What connecting one asks of a person. */
export const connectHints: Record<BindableChannel, string> = {
  TELEGRAM: 'You open a chat with our bot and press Start.',
  WHATSAPP: 'You send us a message that is already written.',
}

/** What to write first; the link of a chat brings it along. */
export const firstMessage = 'Hello! What can you do for me?'

/** The link with that text filled in: Telegram and WhatsApp both take `text`. */
export function withText(chatUrl: string, text: string): string {
  const url = new URL(chatUrl)
  url.searchParams.set('text', text)
  // Both apps show a plus as a plus.
  return url.href.replaceAll('+', '%20')
}
