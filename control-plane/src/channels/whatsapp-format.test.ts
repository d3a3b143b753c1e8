import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseMarkdown } from './markdown.ts'
import { markdown, slowToParse } from './markdown-samples.ts'
import { formatWhatsapp, whatsappLimit } from './whatsapp-format.ts'

/** What is left of a text without marks, addresses of links and white space. */
const bare = (text: string) => text.replace(/[*_~`>\s]/g, '').replaceAll('(https://x.test)', '')
const shown = (source: string) =>
  parseMarkdown(source)
    ?.spans.map((span) => span.text)
    .join('') ?? source

test('M7: every part is whole and within the limit, and together they hold every word', () => {
  fc.assert(
    fc.property(markdown, (source) => {
      const parts = formatWhatsapp(source).map((part) => part.text)
      for (const part of parts) {
        expect(part.length).toBeLessThanOrEqual(whatsappLimit)
        expect(part.trim()).not.toBe('')
        expect(part.isWellFormed()).toBe(true)
      }
      expect(bare(parts.join(' '))).toBe(bare(shown(source)))
    }),
    { numRuns: 300 },
  )
})

test('M7: splitting loses nothing of a long text without spaces, and cuts no emoji', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1590, max: 4000 }), fc.boolean(), (length, isOdd) => {
      const source = (isOdd ? 'a' : '') + '😀'.repeat(length)
      const parts = formatWhatsapp(source).map((part) => part.text)
      expect(parts.every((part) => part.isWellFormed() && part.length <= whatsappLimit)).toBe(true)
      expect(parts.join('')).toBe(source)
    }),
    { numRuns: 50 },
  )
})

test('M7: a bold passage and a fence longer than a message are closed and opened again', () => {
  const bold = formatWhatsapp(`**${'word '.repeat(700).trim()}**`)
  expect(bold.length).toBeGreaterThan(2)
  for (const part of bold) expect(part.text).toMatch(/^\*word[^*]*word\*$/)
  const fence = formatWhatsapp(`\`\`\`\n${'0123456789\n'.repeat(400)}\`\`\``)
  expect(fence.length).toBeGreaterThan(2)
  for (const part of fence) expect(part.text).toMatch(/^```\n0123456789\n[^`]*0123456789\n```$/)
})

test('M7: marks and written-out links count towards the limit', () => {
  for (const piece of ['**a** ', '_b_ ~~c~~ ', '> d\n', '[e](https://x.test/f) ', '`g` ']) {
    const parts = formatWhatsapp(piece.repeat(1200)).map((part) => part.text)
    expect(parts.length).toBeGreaterThan(1)
    expect(Math.max(...parts.map((part) => part.length))).toBeLessThanOrEqual(whatsappLimit)
    // Nor is a part much shorter than it has to be.
    expect(Math.min(...parts.slice(0, -1).map((part) => part.length))).toBeGreaterThan(1000)
  }
})

test('M7: blocks go before lines, and a code fence that fits stays whole', () => {
  const parts = formatWhatsapp(`${'word '.repeat(100)}\n\n\`\`\`ts\n${'line of code\n'.repeat(100)}\`\`\``)
  expect(parts).toHaveLength(2)
  expect(parts[1]?.text).toMatch(/^```\nline of code\n[^`]*\n```$/)
})

test('Markdown becomes WhatsApp’s marks', () => {
  const source =
    '# Hi\n\n**b** _i_ ~~s~~ `c<d` **_both_**, [l](https://x.test) <https://y.test>\n\n- one\n- two\n\n> q\n> **r**\n\n```ts\ncode\n```'
  expect(formatWhatsapp(source)).toEqual([
    {
      text:
        '*Hi*\n\n*b* _i_ ~s~ `c<d` *_both_*, l (https://x.test) https://y.test\n\n• one\n• two\n\n> q\n> *r*\n\n' +
        '```\ncode\n```',
    },
  ])
})

test('M7: a mark that WhatsApp would not read is left out', () => {
  expect(formatWhatsapp('in**credi**ble **2 * 3** `` a`b ``')).toEqual([{ text: 'incredible 2 * 3 a`b' }])
})

test('F8: text that is slow to parse is sent, not parsed for minutes', () => {
  for (const hostile of slowToParse) {
    const sent = formatWhatsapp(hostile).map((part) => part.text)
    expect(sent.join('').length).toBeGreaterThan(0)
    expect(sent.every((text) => text.length <= whatsappLimit)).toBe(true)
  }
})
