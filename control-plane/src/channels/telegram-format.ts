import { parseMarkdown, type Span, type Style } from './markdown.ts'
import type { Payload } from './sender.ts'
import { place, type Range, splitRanges, splitText } from './split.ts'

/** Telegram's limit for one message, counted after entities are parsed (Bot API, sendMessage). */
export const telegramLimit = 4096

/** Markdown → parts of Telegram HTML, each within the limit and valid on its own, with its plain text beside it. */
export function formatTelegram(markdown: string): Payload[] {
  const document = parseMarkdown(markdown)
  if (!document) return splitText(markdown, telegramLimit).map((text) => ({ text }))
  const { spans, blockStarts } = document
  const text = spans.map((span) => span.text).join('')
  const placed = place(spans)
  const whole = placed.filter((span) => span.styles.length > 0)
  return splitRanges(text, { limit: telegramLimit, blockStarts, whole }).map((range) => ({
    text: text.slice(range.start, range.end),
    html: renderRange(placed, range),
  }))
}

/** Neighbours that share outer styles share the element, so that a quote stays one quote. */
function renderRange(spans: readonly (Span & Range)[], range: Range): string {
  let html = ''
  let open: readonly Style[] = []
  const moveTo = (styles: readonly Style[]) => {
    let shared = 0
    while (shared < open.length && open[shared] === styles[shared]) shared++
    for (const closing of open.slice(shared).reverse()) html += tagsOf(closing)[1]
    for (const opening of styles.slice(shared)) html += tagsOf(opening)[0]
    open = styles
  }
  for (const span of spans) {
    const from = Math.max(span.start, range.start)
    const to = Math.min(span.end, range.end)
    if (from >= to) continue
    moveTo(span.styles)
    html += escapeHtml(span.text.slice(from - span.start, to - span.start))
  }
  moveTo([])
  return html
}

const names = { bold: 'b', italic: 'i', strike: 's', code: 'code', quote: 'blockquote' } as const

function tagsOf(style: Style): [open: string, close: string] {
  switch (style.kind) {
    case 'pre':
      if (style.language === '') return ['<pre>', '</pre>']
      return [`<pre><code class="language-${style.language}">`, '</code></pre>']
    case 'link':
      return [`<a href="${escapeHtml(style.href)}">`, '</a>']
    default:
      return [`<${names[style.kind]}>`, `</${names[style.kind]}>`]
  }
}

const escapeHtml = (text: string) =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
