import { Lexer, type Token, type Tokens } from 'marked'

/** Longer texts are sent as they are: no person reads their marks, and blocks cost more than linear time, too. */
const maxLength = 100_000
/** Emphasis costs quadratic time in the length of its paragraph; a longer one keeps its marks as text. */
const maxParagraphLength = 4_000
const inlineBudgetMs = 200

/** A run of text under the same styles. Flat, so that a cut anywhere can end the styles and begin them again. */
export interface Span {
  text: string
  /** Outermost first. Neighbours under one element share the object. */
  styles: readonly Style[]
}

export type Style =
  | { kind: 'bold' | 'italic' | 'strike' | 'code' | 'quote' }
  | { kind: 'pre'; language: string }
  | { kind: 'link'; href: string }

const bold: Style = { kind: 'bold' }
const italic: Style = { kind: 'italic' }
const strike: Style = { kind: 'strike' }
const code: Style = { kind: 'code' }
const quote: Style = { kind: 'quote' }

export interface Document {
  spans: Span[]
  /** Offsets in the joined text at which a block begins. */
  blockStarts: number[]
}

/**
 * A Markdown text; null when it is better sent as it is. Bounded in time whatever the text: an answer is a stranger's
 * input too, and this runs where every other conversation runs.
 */
export function parseMarkdown(markdown: string): Document | null {
  const blocks = parseBlocks(markdown)
  if (!blocks) return null
  const spans: Span[] = []
  const blockStarts: number[] = []
  let length = 0
  for (const block of blocks) {
    if (block.every((span) => span.text.trim() === '')) continue
    if (length > 0) spans.push({ text: '\n\n', styles: [] })
    length += length > 0 ? 2 : 0
    blockStarts.push(length)
    for (const span of block) {
      spans.push(span)
      length += span.text.length
    }
  }
  return { spans, blockStarts }
}

function parseBlocks(markdown: string): Span[][] | null {
  if (markdown.length > maxLength) return null
  try {
    const lexer = new Lexer()
    const blocks = lexer.blockTokens(markdown.replace(/\r\n?/g, '\n'), lexer.tokens)
    const startedMs = performance.now()
    for (const { src, tokens } of lexer.inlineQueue) {
      const isAffordable = src.length <= maxParagraphLength && performance.now() - startedMs < inlineBudgetMs
      if (isAffordable) lexer.inlineTokens(src, tokens)
      else tokens.push({ type: 'text', raw: src, text: unescaped(src) })
    }
    return blocks.map((token) => renderBlock(token, []))
  } catch {
    // Marked gives up on some inputs that no person writes.
    return null
  }
}

function renderBlock(token: Token, styles: readonly Style[]): Span[] {
  switch (token.type) {
    case 'space':
    case 'def':
      return []
    case 'heading':
      return renderInline(token.tokens ?? [], [...styles, bold])
    case 'code':
      return [{ text: token.text, styles: [preformatted(token.lang)] }]
    case 'blockquote':
      return joinBlocks(token.tokens ?? [], styles.includes(quote) ? styles : [...styles, quote])
    case 'list':
      return renderList(token as Tokens.List, styles, 0)
    case 'table':
      return [{ text: tableText(token as Tokens.Table), styles: [{ kind: 'pre', language: '' }] }]
    case 'hr':
      return [{ text: '———', styles }]
    default:
      return renderInline([token], styles)
  }
}

function joinBlocks(tokens: readonly Token[], styles: readonly Style[]): Span[] {
  const blocks = tokens.map((token) => renderBlock(token, styles)).filter((block) => block.length > 0)
  return blocks.flatMap((block, index) => (index === 0 ? block : [{ text: '\n\n', styles }, ...block]))
}

function renderList(list: Tokens.List, styles: readonly Style[], depth: number): Span[] {
  const spans: Span[] = []
  const first = list.start === '' ? 1 : list.start
  for (const [index, item] of list.items.entries()) {
    if (index > 0) spans.push({ text: '\n', styles })
    const done = item.task ? (item.checked ? '☑ ' : '☐ ') : ''
    const mark = done || (list.ordered ? `${first + index}. ` : '• ')
    spans.push({ text: `${'  '.repeat(depth)}${mark}`, styles })
    let isFirst = true
    for (const child of item.tokens) {
      if (child.type === 'space' || child.type === 'checkbox') continue
      if (!isFirst) spans.push({ text: '\n', styles })
      isFirst = false
      if (child.type === 'list') spans.push(...renderList(child as Tokens.List, styles, depth + 1))
      else spans.push(...renderBlock(child, styles))
    }
  }
  return spans
}

function renderInline(tokens: readonly Token[], styles: readonly Style[]): Span[] {
  return tokens.flatMap((token): Span[] => {
    switch (token.type) {
      case 'strong':
        return renderInline(token.tokens ?? [], [...styles, bold])
      case 'em':
        return renderInline(token.tokens ?? [], [...styles, italic])
      case 'del':
        return renderInline(token.tokens ?? [], [...styles, strike])
      // Code stands alone: Telegram lets it stand in no other entity, and contain none.
      case 'codespan':
        return [{ text: token.text, styles: [code] }]
      case 'br':
        return [{ text: '\n', styles }]
      case 'checkbox':
        return []
      case 'link':
        return renderInline(token.tokens ?? [], withLink(styles, token.href))
      case 'image':
        return [{ text: token.text || token.href, styles: withLink(styles, token.href) }]
      default: {
        const children = 'tokens' in token ? token.tokens : undefined
        if (children && children.length > 0) return renderInline(children, styles)
        const text = 'text' in token ? String(token.text) : token.raw
        return text === '' ? [] : [{ text: token.type === 'text' ? decodeEntities(text) : text, styles }]
      }
    }
  })
}

function withLink(styles: readonly Style[], href: string): readonly Style[] {
  const nested = styles.some((outer) => outer.kind === 'link')
  if (nested || !/^(https?|tg|mailto|tel):/i.test(href)) return styles
  return [...styles, { kind: 'link', href }]
}

function preformatted(language: unknown): Style {
  return {
    kind: 'pre',
    language: typeof language === 'string' ? (/^[\w+#-]+/.exec(language)?.[0] ?? '') : '',
  }
}

/** What a phone shows of a line of code before it breaks it; what is wider is not made wider still. */
const widestTable = 48

function tableText(table: Tokens.Table): string {
  const plain = (cell: Tokens.TableCell) =>
    renderInline(cell.tokens, [])
      .map((span) => span.text)
      .join('')
  const rows = [table.header, ...table.rows].map((row) => row.map(plain))
  // In UTF-16 units: an emoji is two of them, and two places wide.
  const widths = table.header.map((_, at) =>
    rows.reduce((widest, row) => Math.max(widest, row[at]?.length ?? 0), 0),
  )
  const isNarrow = widths.reduce((sum, width) => sum + width + 3, -3) <= widestTable
  const fit = (cell: string, at: number) => (isNarrow ? cell.padEnd(widths[at] ?? 0) : cell)
  return rows.map((row) => row.map(fit).join(' | ').trimEnd()).join('\n')
}

/** What was kept from being a mark is written without its stroke. */
const unescaped = (text: string) => text.replace(/\\([!-/:-@[-`{-~])/g, '$1')

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: '\u00a0' }
const decodeEntities = (text: string) =>
  text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => entities[name] ?? '')
