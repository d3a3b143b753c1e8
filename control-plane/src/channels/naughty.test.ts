import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseHtml } from '../../../sandbox/src/telegram/entities.ts'
import { allNaughty, naughtyStrings } from './naughty-strings.ts'
import { formatTelegram, telegramLimit } from './telegram-format.ts'
import { formatWhatsapp, whatsappLimit } from './whatsapp-format.ts'

/** Where in an answer a text may stand. */
const places: Record<string, (text: string) => string> = {
  alone: (text) => text,
  'in bold': (text) => `**${text}**`,
  'in a heading': (text) => `# ${text}`,
  'in a list': (text) => `- one\n- ${text}\n  - deeper ${text}`,
  'in a quote': (text) => `> ${text}`,
  'in code': (text) => `\`${text}\``,
  'in a code block': (text) => `\`\`\`python\n${text}\n\`\`\``,
  'in an open code block': (text) => `\`\`\`\n${text}`,
  'in a link': (text) => `[${text}](https://x.test/${text})`,
  'in a table': (text) => `| a | b |\n|---|---|\n| ${text} | ${text} |`,
  between: (text) => `before ${text} after\n\n${text}`,
}

/** What Telegram takes is judged by the sandbox's reader of its HTML, which refuses what the real one refuses. */
function check(source: string): void {
  for (const { text, html } of formatTelegram(source)) {
    expect(text.length).toBeLessThanOrEqual(telegramLimit)
    expect(text.isWellFormed()).toBe(true)
    expect(text.trim()).not.toBe('')
    if (html !== undefined) expect(parseHtml(html).text).toBe(text)
  }
  for (const { text } of formatWhatsapp(source)) {
    expect(text.length).toBeLessThanOrEqual(whatsappLimit)
    expect(text.isWellFormed()).toBe(true)
    expect(text.trim()).not.toBe('')
  }
}

const visible = (text: string) => text.replace(/\s/gu, '')
const sent = (parts: { text: string }[]) => visible(parts.map(({ text }) => text).join(''))

test.each(Object.entries(places))(
  'M7: every naughty string %s is sent whole, within the limit',
  (_, place) => {
    for (const text of allNaughty) check(place(text))
  },
)

test('M7: any of them in any place beside any other', () => {
  const one = fc.tuple(fc.constantFrom(...Object.values(places)), fc.constantFrom(...allNaughty))
  const answer = fc.array(one, { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(answer, (pieces) => check(pieces.map(([place, text]) => place(text)).join('\n\n'))),
    { numRuns: 200 },
  )
})

test('M7: no character of right-to-left text, emoji or joined letters is lost or moved, in words and in code', () => {
  const kinds = ['right to left', 'emoji and joined characters'] as const
  for (const text of kinds.flatMap((kind) => naughtyStrings[kind] ?? [])) {
    const plain = text.replaceAll('*', '')
    const repeated = `${plain} `.repeat(300)
    for (const source of [plain, repeated, `\`\`\`\n${plain}\n\`\`\``]) {
      const want = visible(source.replaceAll('`', ''))
      expect(sent(formatTelegram(source))).toBe(want)
      expect(sent(formatWhatsapp(source)).replaceAll('`', '')).toBe(want)
    }
  }
})

test('M7: an answer of ten thousand entities is sent whole, in words', () => {
  const many = {
    list: '- **a** _b_\n'.repeat(10_000),
    words: '**a** '.repeat(10_000),
    links: '[a](https://x.test) '.repeat(4_000),
    quotes: '> `a`\n\n'.repeat(10_000),
  }
  for (const source of Object.values(many)) {
    check(source)
    const words = sent(formatTelegram(source)).replace(/[^a]/g, '').length
    expect(words).toBeGreaterThanOrEqual(source.match(/a/g)?.length ?? 0)
  }
})
