import type { Channel } from '@yourclaw/db'
import { withFiles } from './file-parts.ts'
import { parseMarkdown } from './markdown.ts'
import type { Button, OutgoingFile, Payload } from './sender.ts'
import { formatTelegram } from './telegram-format.ts'
import { withChoices } from './whatsapp-choices.ts'
import { formatWhatsapp } from './whatsapp-format.ts'

/** What a message has beside its words. */
export interface Extras {
  buttons?: readonly Button[] | undefined
  files?: readonly OutgoingFile[] | undefined
}

/**
 * What a channel is sent for one message. The web reads messages from the table, so nothing is sent there. Where there
 * can be no buttons they are numbered, and the person answers with a number.
 */
export function render(
  channel: Channel,
  markdown: string,
  { buttons = [], files = [] }: Extras = {},
): Payload[] {
  switch (channel) {
    case 'TELEGRAM':
      return withFiles(withButtons(formatTelegram(markdown), buttons), files)
    case 'WHATSAPP':
      return withFiles(withChoicesOrNumbers(markdown, buttons), files)
    case 'WEB':
      return []
    default:
      return assertNever(channel)
  }
}

/** What a person reads of a Markdown text: its words without its marks. */
export const readableText = (markdown: string) =>
  parseMarkdown(markdown)
    ?.spans.map(({ text }) => text)
    .join('') ?? markdown

/** Below the last part, where the person's thumb is. */
function withButtons(payloads: Payload[], buttons: readonly Button[]): Payload[] {
  const last = payloads.at(-1)
  if (!last || buttons.length === 0) return payloads
  return [...payloads.slice(0, -1), { ...last, buttons: [...buttons] }]
}

function withChoicesOrNumbers(markdown: string, buttons: readonly Button[]): Payload[] {
  const numbers = numbered(buttons)
  if (numbers === '') return formatWhatsapp(markdown)
  const parts = formatWhatsapp(markdown)
  const last = withChoices(parts.at(-1)?.text ?? '', numbers, buttons)
  return last ? [...parts.slice(0, -1), last] : formatWhatsapp(markdown + numbers)
}

function numbered(buttons: readonly Button[]): string {
  if (buttons.length === 0) return ''
  const lines = buttons.map(({ label }, index) => `${index + 1}. ${label}`)
  return `\n\n${lines.join('\n')}\n\nAnswer with a number.`
}

function assertNever(value: never): never {
  throw new Error(`unknown channel ${String(value)}`)
}
