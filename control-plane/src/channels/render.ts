import type { Channel } from '@yourclaw/db'
import type { Payload } from './sender.ts'
import { splitText } from './split.ts'
import { formatTelegram } from './telegram-format.ts'

/** Twilio refuses a longer WhatsApp body with error 21617. */
const whatsappLimit = 1600

/** What a channel is sent for one message. The web reads messages from the table, so nothing is sent there. */
export function render(channel: Channel, markdown: string): Payload[] {
  switch (channel) {
    case 'TELEGRAM':
      return formatTelegram(markdown)
    case 'WHATSAPP':
      return splitText(markdown, whatsappLimit).map((text) => ({ text }))
    case 'WEB':
      return []
    default:
      return assertNever(channel)
  }
}

function assertNever(value: never): never {
  throw new Error(`unknown channel ${String(value)}`)
}
