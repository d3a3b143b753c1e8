import { parseMarkdown, type Span, type Style } from './markdown.ts'
import type { Payload } from './sender.ts'
import { nextRange, place, type Range, type SplitHints, splitText } from './split.ts'

/** Twilio refuses a longer body with error 21617; marks count, in UTF-16 units. */
export const whatsappLimit = 1600

/** Markdown → parts with WhatsApp's marks, each within the limit and readable on its own. */
export function formatWhatsapp(markdown: string): Payload[] {
  const document = parseMarkdown(markdown)
  if (!document) return splitText(markdown, whatsappLimit).map((text) => ({ text }))
  const { spans, blockStarts } = writeOutLinks(document.spans, document.blockStarts)
  const text = spans.map((span) => span.text).join('')
  const placed = place(spans)
  const whole = placed.filter((span) => span.styles.length > 0)
  const parts: Payload[] = []
  let from = 0
  for (;;) {
    const next = fit(text, from, placed, { limit: whatsappLimit, blockStarts, whole })
    if (!next) return parts
    parts.push({ text: next.rendered })
    from = next.end
  }
}

/** Marks make a text longer, so a part that grew over the limit is cut again, shorter in proportion. */
function fit(text: string, from: number, spans: readonly (Span & Range)[], hints: SplitHints) {
  let { limit } = hints
  for (;;) {
    const range = nextRange(text, from, { ...hints, limit })
    if (!range) return null
    const rendered = renderRange(spans, range)
    if (rendered.length <= whatsappLimit) return { rendered, end: range.end }
    const length = range.end - range.start
    limit = Math.max(1, Math.min(length - 1, Math.floor((length * whatsappLimit) / rendered.length)))
  }
}

/** WhatsApp has no links with a text of their own: the address follows in brackets. One pass, as texts are long. */
function writeOutLinks(spans: readonly Span[], blockStarts: readonly number[]) {
  const isStart = new Set(blockStarts)
  const written: Span[] = []
  const movedStarts: number[] = []
  let [before, after] = [0, 0]
  let label = ''
  for (const [index, span] of spans.entries()) {
    if (isStart.delete(before)) movedStarts.push(after)
    written.push(span)
    before += span.text.length
    after += span.text.length
    const link = span.styles.find((style) => style.kind === 'link')
    label = link ? label + span.text : ''
    if (!link || spans[index + 1]?.styles.includes(link)) continue
    if (link.href.replace(/^(mailto|tel):/, '') !== label) {
      const address = { text: ` (${link.href})`, styles: span.styles.filter(({ kind }) => kind === 'quote') }
      written.push(address)
      after += address.text.length
    }
    label = ''
  }
  return { spans: written, blockStarts: movedStarts }
}

function renderRange(spans: readonly (Span & Range)[], range: Range): string {
  const cut = spans
    .filter((span) => span.start < range.end && span.end > range.start)
    .map((span) => ({
      ...span,
      text: span.text.slice(Math.max(0, range.start - span.start), Math.max(0, range.end - span.start)),
    }))
    .filter((span) => span.text !== '')
  let rendered = ''
  for (const [index, line] of linesOf(cut).entries()) rendered += (index === 0 ? '' : '\n') + renderLine(line)
  return rendered
}

/** Marks end with their line. A code block is one line here, so that its fence goes around all of it. */
function linesOf(spans: readonly Span[]): Span[][] {
  const lines: Span[][] = [[]]
  for (const span of spans) {
    if (isPre(span)) {
      lines.at(-1)?.push(span)
      continue
    }
    for (const [index, text] of span.text.split('\n').entries()) {
      if (index > 0) lines.push([])
      if (text !== '') lines.at(-1)?.push({ ...span, text })
    }
  }
  return lines
}

function renderLine(line: readonly Span[]): string {
  const isQuoted = line.some((span) => span.styles.some((style) => style.kind === 'quote'))
  const inline = line.map((span) => ({ ...span, styles: span.styles.filter((style) => style.kind in marks) }))
  const text = renderStyled(inline, 0, '', '')
  return isQuoted ? `> ${text.replace(/\n/g, '\n> ')}` : text
}

const marks: Partial<Record<Style['kind'], string>> = {
  bold: '*',
  italic: '_',
  strike: '~',
  code: '`',
  pre: '```',
}

/** `depth` styles are around it already; `before` and `after` are its neighbours. */
function renderStyled(spans: readonly Span[], depth: number, before: string, after: string): string {
  let rendered = ''
  for (let index = 0; index < spans.length; ) {
    const style = spans[index]?.styles[depth]
    let end = index + 1
    while (style && spans[end]?.styles[depth] === style) end++
    const group = spans.slice(index, end)
    const following = spans[end]?.text ?? after
    const neighbours = [rendered === '' ? before : rendered, following] as const
    if (style) rendered += wrap(style, renderStyled(group, depth + 1, '', ''), ...neighbours)
    else rendered += group.map((span) => span.text).join('')
    index = end
  }
  return rendered
}

/**
 * WhatsApp reads a mark only between a word and what is no part of one, and has no way to escape it; where it would
 * not be read, or be read wrongly, the words go without.
 */
function wrap(style: Style, text: string, before: string, after: string): string {
  const mark = marks[style.kind]
  if (mark === undefined || text.includes(mark)) return text
  if (style.kind === 'pre') return `${before === '' ? '' : '\n'}\`\`\`\n${text}\n\`\`\``
  const inner = text.trim()
  const from = text.indexOf(inner)
  const touches = (neighbour: string, edge: RegExp) => edge.test(neighbour)
  const isInWord =
    (from === 0 && touches(before, /[\p{L}\p{N}]$/u)) ||
    (from + inner.length === text.length && touches(after, /^[\p{L}\p{N}]/u))
  if (inner === '' || isInWord) return text
  return text.slice(0, from) + mark + inner + mark + text.slice(from + inner.length)
}

const isPre = (span: Span) => span.styles.some((style) => style.kind === 'pre')
