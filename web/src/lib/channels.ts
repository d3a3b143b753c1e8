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

/** Country codes of one and two digits; all others have three. */
const countryCode = /^(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})/

/** Who one writes to by that link: @bot, or a number as people read it. */
export function addressOf(channel: BindableChannel, chatUrl: string): string {
  const last = new URL(chatUrl).pathname.split('/').at(-1) ?? ''
  if (channel === 'TELEGRAM') return `@${last}`
  const country = countryCode.exec(last)?.[0] ?? ''
  const groups = last.slice(country.length).match(/\d{3}(?=\d{2})|\d+/g) ?? []
  return [`+${country}`, ...groups].join(' ')
}
