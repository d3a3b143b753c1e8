import type { Token } from 'marked'
import { expect, test } from 'vitest'
import { highlight } from './highlight.ts'
import { directionOf, parseMarkdown, safeHref } from './parse.ts'

/** All the text of all tokens, as it would be shown. */
const textOf = (tokens: readonly Token[]): string =>
  tokens
    .map((token) =>
      'tokens' in token && token.tokens?.length
        ? textOf(token.tokens)
        : 'text' in token
          ? token.text
          : token.raw,
    )
    .join(' ')

test('S1: links lead to where people go, and nowhere else', () => {
  for (const href of ['https://a.test/b?c=d', 'http://a.test/', 'mailto:a@b.test', 'tel:+15550100'])
    expect(safeHref(href)).toBe(href)
  for (const href of [
    'javascript:alert(1)',
    ' JaVaScRiPt:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    '/dashboard',
    '//x.test',
    'blob:x',
    '',
  ])
    expect([href, safeHref(href)]).toEqual([href, undefined])
})

test('what cannot be parsed in time is shown as it is', () => {
  const long = '**a** '.repeat(20_000)
  expect(parseMarkdown(long)).toEqual([{ type: 'paragraph', raw: long, text: long }])
  const deep = `${'> '.repeat(200)}a`
  expect(parseMarkdown(deep)).toEqual([{ type: 'paragraph', raw: deep, text: deep }])
  for (const text of [
    '*'.repeat(50_000),
    '['.repeat(3_999),
    '> '.repeat(5_000),
    '`'.repeat(9_999),
    '|'.repeat(9_999),
  ])
    expect(textOf(parseMarkdown(text)).length).toBeGreaterThanOrEqual(0)
})

test('a part of an answer is Markdown, too: an open fence is code already', () => {
  expect(parseMarkdown('Look:\n```py\nprint(1')).toMatchObject([
    { type: 'paragraph' },
    { type: 'code', lang: 'py', text: 'print(1' },
  ])
})

test('code has its colours by language, loses nothing of its text, and an unknown language has none', async () => {
  const code = 'const a = `<b>1</b>` // done\n'
  const shades = await highlight(code, 'TS')
  expect(shades?.map(({ text }) => text).join('')).toBe(code)
  expect(shades?.[0]).toEqual({ text: 'const', scope: 'keyword' })
  for (const name of ['', 'klingon', 'constructor', '__proto__'])
    expect(await highlight(code, name)).toBeUndefined()
})

test('a list, a quote or a table begins where its first letter is read from', () => {
  for (const text of ['- שלום', '> **عربى** English', '1. 2. ދިވެހި', '| ܣܘܪܝܝܐ |'])
    expect(directionOf(text)).toBe('rtl')
  for (const text of ['- hello שלום', '', '- 1', '> 👩‍👩‍👧 日本']) expect(directionOf(text)).toBeUndefined()
})
