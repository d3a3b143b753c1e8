import fc from 'fast-check'
import { expect, test } from 'vitest'
import { markdown, slowToParse } from './markdown-samples.ts'
import { formatTelegram, telegramLimit } from './telegram-format.ts'

/** Null when a tag is left open or closed out of order. */
function readHtml(html: string): string | null {
  const open: string[] = []
  const text = html.replace(/<(\/?)([a-z]+)[^>]*>/g, (_, closing: string, name: string) => {
    if (closing === '') open.push(name)
    else if (open.pop() !== name) open.push('!')
    return ''
  })
  if (open.length > 0 || /[<>]/.test(text) || /&(?!(amp|lt|gt|quot);)/.test(text)) return null
  return text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&')
}

test('M7: every part is whole, within the limit, and the same words as its plain text', () => {
  fc.assert(
    fc.property(markdown, (source) => {
      for (const part of formatTelegram(source)) {
        expect(part.text.length).toBeLessThanOrEqual(telegramLimit)
        expect(part.text.trim()).not.toBe('')
        expect(part.text.isWellFormed()).toBe(true)
        if (part.html !== undefined) expect(readHtml(part.html)).toBe(part.text)
      }
    }),
    { numRuns: 300 },
  )
})

test('M7: splitting loses no word of a long text without spaces, and cuts no emoji', () => {
  fc.assert(
    fc.property(fc.integer({ min: 4090, max: 9000 }), fc.boolean(), (length, isOdd) => {
      const source = (isOdd ? 'a' : '') + '😀'.repeat(length)
      const parts = formatTelegram(source).map((part) => part.text)
      expect(parts.every((part) => part.isWellFormed() && part.length <= telegramLimit)).toBe(true)
      expect(parts.join('')).toBe(source)
    }),
    { numRuns: 50 },
  )
})

test('M7: blocks go before lines, and a code fence that fits stays whole', () => {
  const fence = `\`\`\`ts\n${'line of code\n'.repeat(300)}\`\`\``
  const parts = formatTelegram(`${'word '.repeat(200)}\n\n${fence}`)
  expect(parts).toHaveLength(2)
  expect(parts[1]?.html).toMatch(/^<pre><code class="language-ts">line of code\n[^<]*<\/code><\/pre>$/)
})

test('M7: a fence longer than a message is closed and opened again between lines', () => {
  const parts = formatTelegram(`\`\`\`\n${'0123456789\n'.repeat(800)}\`\`\``)
  expect(parts.length).toBeGreaterThan(1)
  for (const part of parts) expect(part.html).toMatch(/^<pre>0123456789\n[^<]*0123456789<\/pre>$/)
})

test('Markdown becomes Telegram HTML', () => {
  const [part] = formatTelegram(
    '# Hi\n\n**b** _i_ ~~s~~ `c<d` [l](https://x.test?a=1&b=2) [x](javascript:1)\n\n- one\n- two\n\n> q',
  )
  expect(part?.html).toBe(
    '<b>Hi</b>\n\n<b>b</b> <i>i</i> <s>s</s> <code>c&lt;d</code> <a href="https://x.test?a=1&amp;b=2">l</a> x' +
      '\n\n• one\n• two\n\n<blockquote>q</blockquote>',
  )
})

test('a table stands in columns where a phone is wide enough for it, and is not widened where it is not', () => {
  const table = (cell: string) => `| Name | Price |\n|---|---|\n| ${cell} | **$9** |\n| é | $100 |`
  expect(formatTelegram(table('Tea 🍵'))[0]?.html).toBe(
    '<pre>Name   | Price\nTea 🍵 | $9\né      | $100</pre>',
  )
  const wide = 'wide '.repeat(10).trim()
  expect(formatTelegram(table(wide))[0]?.html).toBe(`<pre>Name | Price\n${wide} | $9\né | $100</pre>`)
})

test('F8: text that is slow to parse is sent, not parsed for minutes', () => {
  for (const hostile of slowToParse) {
    const sent = formatTelegram(hostile).map((part) => part.text)
    expect(sent.join('').length).toBeGreaterThan(0)
    expect(sent.every((text) => text.length <= telegramLimit)).toBe(true)
  }
})
