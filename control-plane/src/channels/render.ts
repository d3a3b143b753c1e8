import type { Channel } from '@yourclaw/db'
import type { Payload } from './sender.ts'

import { formatTelegram } from './telegram-format.ts'
import { formatWhatsapp } from './whatsapp-format.ts'

/** What a channel is sent for one message. The web reads messages from the table, so nothing is sent there. */
export function render(channel: Channel, markdown: string): Payload[] {
  switch (channel) {
    case 'TELEGRAM':
      return formatTelegram(markdown)
    case 'WHATSAPP':
      return formatWhatsapp(markdown)
    case 'WEB':
      return []
    default:
      return assertNever(channel)
  }
}

function assertNever(value: never): never {
  throw new Error(`unknown channel ${String(value)}`)
}
