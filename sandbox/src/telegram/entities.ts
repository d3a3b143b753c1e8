import type { MessageEntity } from '@grammyjs/types'
import { badRequest } from './errors.ts'

export interface FormattedText {
  text: string
  entities: MessageEntity[]
}

type SimpleType = 'bold' | 'italic' | 'underline' | 'strikethrough' | 'spoiler' | 'code' | 'blockquote'

/** The tags of https://core.telegram.org/bots/api#html-style that need no attribute. */
const simpleTags: Record<string, SimpleType> = {
  b: 'bold',
  strong: 'bold',
  i: 'italic',
  em: 'italic',
  u: 'underline',
  ins: 'underline',
  s: 'strikethrough',
  strike: 'strikethrough',
  del: 'strikethrough',
  'tg-spoiler': 'spoiler',
  code: 'code',
  blockquote: 'blockquote',
}
const named: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"' }

interface OpenTag {
  tag: string
  attributes: Map<string, string>
  offset: number
}

/** Reads `source` as Telegram reads parse_mode HTML. @throws BotApiError with Telegram's description */
export function parseHtml(source: string): FormattedText {
  const open: OpenTag[] = []
  const entities: MessageEntity[] = []
  let text = ''
  let at = 0
  while (at < source.length) {
    if (source[at] === '&') {
      const reference = readReference(source, at)
      text += reference.text
      at += reference.length
      continue
    }
    if (source[at] !== '<') {
      text += source[at]
      at += 1
      continue
    }
    const offset = Buffer.byteLength(source.slice(0, at))
    const end = endOfTag(source, at)
    if (end < 0) {
      throw unparsable(`Unclosed ${source[at + 1] === '/' ? 'end' : 'start'} tag at byte offset ${offset}`)
    }
    const inside = source.slice(at + 1, end)
    at = end + 1
    if (inside.startsWith('/')) close(inside.slice(1).trim().toLowerCase(), offset)
    else open.push(openTag(inside, offset, text.length))
  }
  const left = open.at(-1)
  if (left) throw unparsable(`Can't find end tag corresponding to start tag "${left.tag}"`)
  entities.sort((a, b) => a.offset - b.offset || b.length - a.length)
  return { text, entities }

  function close(tag: string, offset: number): void {
    const last = open.pop()
    if (!last) throw unparsable(`Unexpected end tag at byte offset ${offset}`)
    if (tag !== '' && tag !== last.tag) {
      throw unparsable(
        `Unmatched end tag at byte offset ${offset}, expected "</${last.tag}>", found "</${tag}>"`,
      )
    }
    const length = text.length - last.offset
    const entity = length > 0 ? toEntity(last, length, text) : undefined
    if (entity) entities.push(entity)
  }
}

/** A `>` inside a quoted attribute does not end the tag. */
function endOfTag(source: string, start: number): number {
  let quote = ''
  for (let at = start + 1; at < source.length; at += 1) {
    const character = source[at] ?? ''
    if (quote) {
      if (character === quote) quote = ''
    } else if (character === '"' || character === "'") quote = character
    else if (character === '>') return at
  }
  return -1
}

function openTag(inside: string, byteOffset: number, offset: number): OpenTag {
  const tag = (/^[^\s>/]*/.exec(inside)?.[0] ?? '').toLowerCase()
  const attributes = new Map<string, string>()
  for (const match of inside
    .slice(tag.length)
    .matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+)))?/g)) {
    attributes.set((match[1] ?? '').toLowerCase(), decode(match[2] ?? match[3] ?? match[4] ?? ''))
  }
  const known = tag in simpleTags || ['a', 'pre', 'span', 'tg-emoji'].includes(tag)
  if (!known) throw unparsable(`Unsupported start tag "${tag}" at byte offset ${byteOffset}`)
  if (tag === 'span' && attributes.get('class') !== 'tg-spoiler') {
    throw unparsable(`Tag "span" must have class "tg-spoiler" at byte offset ${byteOffset}`)
  }
  return { tag, attributes, offset }
}

function toEntity(tag: OpenTag, length: number, text: string): MessageEntity | undefined {
  const span = { offset: tag.offset, length }
  const simple = simpleTags[tag.tag]
  if (tag.tag === 'blockquote' && tag.attributes.has('expandable')) {
    return { type: 'expandable_blockquote', ...span }
  }
  if (simple) return { type: simple, ...span }
  if (tag.tag === 'pre') return { type: 'pre', ...span }
  if (tag.tag === 'span') return { type: 'spoiler', ...span }
  if (tag.tag !== 'a') return undefined
  const url = tag.attributes.get('href') ?? text.slice(tag.offset)
  // Telegram drops a link it cannot use and keeps its text.
  return URL.canParse(url) ? { type: 'text_link', url, ...span } : undefined
}

function readReference(source: string, at: number): { text: string; length: number } {
  const match = /^&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]+));?/i.exec(source.slice(at, at + 12))
  const code = match?.[1] ? Number(match[1]) : match?.[2] ? Number.parseInt(match[2], 16) : undefined
  const valid = code !== undefined && code > 0 && code <= 0x10ffff
  const text = valid ? String.fromCodePoint(code) : named[match?.[3] ?? '']
  return match && text !== undefined ? { text, length: match[0].length } : { text: '&', length: 1 }
}

function decode(value: string): string {
  return value.replace(/&(#\d+|#x[0-9a-f]+|[a-z]+);?/gi, (whole) => {
    const reference = readReference(whole, 0)
    return reference.text + whole.slice(reference.length)
  })
}

const unparsable = (reason: string) => badRequest(`can't parse entities: ${reason}`)
