import type { Token, Tokens } from 'marked'
import { parseMarkdown } from './markdown.ts'
import type { Payload } from './sender.ts'
import { type Range, splitRanges, splitText } from './split.ts'

/** Telegram's limit for one message, counted after entities are parsed (Bot API, sendMessage). */
export const telegramLimit = 4096

/** A run of text under the same tags. Flat, so that a cut anywhere can close the tags and open them again. */
interface Span {
  text: string
  tags: readonly Tag[]
}

interface Tag {
  open: string
  close: string
}

const tag = (name: string, attributes = ''): Tag => ({ open: `<${name}${attributes}>`, close: `</${name}>` })
const bold = tag('b')
const italic = tag('i')
const strike = tag('s')
const code = tag('code')
const quote = tag('blockquote')

/** Markdown → parts of Telegram HTML, each within the limit and valid on its own, with its plain text beside it. */
export function formatTelegram(markdown: string): Payload[] {
  const tokens = parseMarkdown(markdown)
  if (!tokens) return splitText(markdown, telegramLimit).map((text) => ({ text }))
  const spans: Span[] = []
  const blockStarts: number[] = []
  let length = 0
  for (const token of tokens) {
    const block = renderBlock(token, [])
    if (block.every((span) => span.text.trim() === '')) continue
    if (length > 0) spans.push({ text: '\n\n', tags: [] })
    length += length > 0 ? 2 : 0
    blockStarts.push(length)
    for (const span of block) {
      spans.push(span)
      length += span.text.length
    }
  }
  const text = spans.map((span) => span.text).join('')
  const placed = place(spans)
  const whole = placed.filter((span) => span.tags.length > 0)
  return splitRanges(text, { limit: telegramLimit, blockStarts, whole }).map((range) => ({
    text: text.slice(range.start, range.end),
    html: renderRange(placed, range),
  }))
}

function place(spans: readonly Span[]): (Span & Range)[] {
  let start = 0
  return spans.map((span) => {
    const placed = { ...span, start, end: start + span.text.length }
    start = placed.end
    return placed
  })
}

/** Neighbours that share outer tags share the element, so that a quote stays one quote. */
function renderRange(spans: readonly (Span & Range)[], range: Range): string {
  let html = ''
  let open: readonly Tag[] = []
  const moveTo = (tags: readonly Tag[]) => {
    let shared = 0
    while (shared < open.length && open[shared] === tags[shared]) shared++
    for (const closing of open.slice(shared).reverse()) html += closing.close
    for (const opening of tags.slice(shared)) html += opening.open
    open = tags
  }
  for (const span of spans) {
    const from = Math.max(span.start, range.start)
    const to = Math.min(span.end, range.end)
    if (from >= to) continue
    moveTo(span.tags)
    html += escapeHtml(span.text.slice(from - span.start, to - span.start))
  }
  moveTo([])
  return html
}

function renderBlock(token: Token, tags: readonly Tag[]): Span[] {
  switch (token.type) {
    case 'space':
    case 'def':
      return []
    case 'heading':
      return renderInline(token.tokens ?? [], [...tags, bold])
    case 'code':
      return [{ text: token.text, tags: [preformatted(token.lang)] }]
    case 'blockquote':
      return joinBlocks(token.tokens ?? [], tags.includes(quote) ? tags : [...tags, quote])
    case 'list':
      return renderList(token as Tokens.List, tags, 0)
    case 'table':
      return [{ text: tableText(token as Tokens.Table), tags: [tag('pre')] }]
    case 'hr':
      return [{ text: '———', tags }]
    default:
      return renderInline([token], tags)
  }
}

function joinBlocks(tokens: readonly Token[], tags: readonly Tag[]): Span[] {
  const blocks = tokens.map((token) => renderBlock(token, tags)).filter((block) => block.length > 0)
  return blocks.flatMap((block, index) => (index === 0 ? block : [{ text: '\n\n', tags }, ...block]))
}

function renderList(list: Tokens.List, tags: readonly Tag[], depth: number): Span[] {
  const spans: Span[] = []
  const first = list.start === '' ? 1 : list.start
  for (const [index, item] of list.items.entries()) {
    if (index > 0) spans.push({ text: '\n', tags })
    const done = item.task ? (item.checked ? '☑ ' : '☐ ') : ''
    const mark = done || (list.ordered ? `${first + index}. ` : '• ')
    spans.push({ text: `${'  '.repeat(depth)}${mark}`, tags })
    let isFirst = true
    for (const child of item.tokens) {
      if (child.type === 'space' || child.type === 'checkbox') continue
      if (!isFirst) spans.push({ text: '\n', tags })
      isFirst = false
      if (child.type === 'list') spans.push(...renderList(child as Tokens.List, tags, depth + 1))
      else spans.push(...renderBlock(child, tags))
    }
  }
  return spans
}

function renderInline(tokens: readonly Token[], tags: readonly Tag[]): Span[] {
  return tokens.flatMap((token): Span[] => {
    switch (token.type) {
      case 'strong':
        return renderInline(token.tokens ?? [], [...tags, bold])
      case 'em':
        return renderInline(token.tokens ?? [], [...tags, italic])
      case 'del':
        return renderInline(token.tokens ?? [], [...tags, strike])
      // Telegram lets code stand in no other entity and contain none.
      case 'codespan':
        return [{ text: token.text, tags: [code] }]
      case 'br':
        return [{ text: '\n', tags }]
      case 'checkbox':
        return []
      case 'link':
        return renderInline(token.tokens ?? [], withLink(tags, token.href))
      case 'image':
        return [{ text: token.text || token.href, tags: withLink(tags, token.href) }]
      default: {
        const children = 'tokens' in token ? token.tokens : undefined
        if (children && children.length > 0) return renderInline(children, tags)
        const text = 'text' in token ? String(token.text) : token.raw
        return text === '' ? [] : [{ text: token.type === 'text' ? decodeEntities(text) : text, tags }]
      }
    }
  })
}

function withLink(tags: readonly Tag[], href: string): readonly Tag[] {
  const nested = tags.some((outer) => outer.open.startsWith('<a '))
  if (nested || !/^(https?|tg|mailto|tel):/i.test(href)) return tags
  return [...tags, tag('a', ` href="${escapeHtml(href)}"`)]
}

function preformatted(language: unknown): Tag {
  const name = typeof language === 'string' ? (/^[\w+#-]+/.exec(language)?.[0] ?? '') : ''
  if (name === '') return tag('pre')
  return { open: `<pre><code class="language-${name}">`, close: '</code></pre>' }
}

function tableText(table: Tokens.Table): string {
  const plain = (cell: Tokens.TableCell) =>
    renderInline(cell.tokens, [])
      .map((span) => span.text)
      .join('')
  return [table.header, ...table.rows].map((row) => row.map(plain).join(' | ')).join('\n')
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: '\u00a0' }
const decodeEntities = (text: string) =>
  text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => entities[name] ?? '')
const escapeHtml = (text: string) =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
