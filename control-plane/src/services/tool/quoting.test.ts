import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseMarkdown } from '../../channels/markdown.ts'
import { markdown } from '../../channels/markdown-samples.ts'
import { allNaughty } from '../../channels/naughty-strings.ts'
import { formatTelegram } from '../../channels/telegram-format.ts'
import { formatWhatsapp } from '../../channels/whatsapp-format.ts'
import { bold, plain, quoted } from './quoting.ts'

/** Markdown that hides words, or makes ours of them. */
const hiding = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '[x]: https://x.test "t"',
        '```js rm -rf\n',
        '~~~x\n',
        '| a |\n| - |\n| b | c |',
        '[a](b "c")',
      ),
      fc.constantFrom('\r', '\r\n', '\n', '\u2028', '\u0085', '\v', '\f', '\t', '    ', '  \n', '\\\n', '\\'),
      fc.constantFrom(
        '1. ',
        '+ ',
        '- [x] ',
        '===',
        '---',
        '![a](b)',
        '<b>',
        '&amp;',
        '&#38;',
        'www.x.test',
        'a@x.test',
      ),
      fc.constantFrom(
        '**',
        '__',
        '*',
        '_',
        '`',
        '~~',
        '> ',
        '# ',
        '<https://x.test>',
        '&nbsp;',
        '[x]',
        'é',
        '“',
        '$',
      ),
      fc.string({ unit: 'grapheme' }),
    ),
    { maxLength: 40 },
  )
  .map((pieces) => pieces.join(''))
const text = fc.oneof(hiding, markdown, fc.constantFrom(...allNaughty)).map((any) => any.toWellFormed())

/** As long as Google's names are. */
const name = text.map((any) => any.slice(0, 300).toWellFormed())

/** White space, and what nobody sees. */
const unseen = /[\s\p{Cc}\p{Cf}\p{Cn}]/gu
const words = (shown: string) => shown.replace(unseen, '')
const onTelegram = (source: string) => formatTelegram(source).map((part) => part.text)
const onWhatsapp = (source: string) => formatWhatsapp(source).map((part) => part.text)

test('M7: what is quoted is shown word for word, each line of it as a quote', () => {
  fc.assert(
    fc.property(text, (any) => {
      const source = `Send this mail:\n${quoted(any)}`
      expect(words(onTelegram(source).join(''))).toBe(`Sendthismail:${words(any)}`)
      const [ours, ...lines] = onWhatsapp(source).flatMap((part) => part.split('\n'))
      expect(ours).toBe('Send this mail:')
      for (const line of lines) expect(line).toMatch(/^(> .*|>?)$/)
      expect(words(lines.map((line) => line.slice(2)).join(''))).toBe(words(any))
      for (const { text: part, styles } of parseMarkdown(source)?.spans.slice(1) ?? [])
        if (part.trim() !== '') expect(styles).toEqual([{ kind: 'quote' }])
    }),
    { numRuns: 500 },
  )
})

test('M7: what is named is shown word for word on its line, bold or not', () => {
  fc.assert(
    fc.property(name, name, (any, other) => {
      const source = `Share ${bold(any)} with:\nTo: ${plain(other)}`
      const shown = words(any) === '' ? '(nothing)' : words(any)
      expect(words(onTelegram(source).join(''))).toBe(`Share${shown}with:To:${words(other)}`)
      expect(source.split('\n')).toHaveLength(2)
    }),
    { numRuns: 500 },
  )
})

test('M7: a paragraph that is too long to be parsed is shown word for word, too', () => {
  const long = '*a* [b](c) '.repeat(450)
  expect(words(onTelegram(quoted(long)).join(''))).toBe(words(long))
})

test('marks of direction, and what has no width, are not shown', () => {
  expect(quoted('pay\u202e 001\u200b \u{e0041}x')).toBe('> pay 001 x')
  expect(quoted('👩\u200d👧')).toBe('> 👩\u200d👧')
})
