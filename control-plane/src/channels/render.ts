import type { Channel } from '@yourclaw/db'
import { withFiles } from './file-parts.ts'
import type { OutgoingFile, Payload } from './sender.ts'
import { formatTelegram } from './telegram-format.ts'
import { formatWhatsapp } from './whatsapp-format.ts'

/** What a channel is sent for one message. The web reads messages from the table, so nothing is sent there. */
export function render(channel: Channel, markdown: string, files: readonly OutgoingFile[] = []): Payload[] {
  switch (channel) {
    case 'TELEGRAM':
      return withFiles(formatTelegram(markdown), files)
    case 'WHATSAPP':
      return withFiles(formatWhatsapp(markdown), files)
    case 'WEB':
      return []
    default:
      return assertNever(channel)
  }
}

function assertNever(value: never): never {
  throw new Error(`unknown channel ${String(value)}`)
}
