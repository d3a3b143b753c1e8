import { Lexer, type Token } from 'marked'

/** Longer texts are shown as they are: no person reads their marks, and blocks cost more than linear time. */
const maxLength = 100_000
/** Emphasis costs quadratic time in the length of its paragraph; a longer one keeps its marks as text. */
const maxParagraphLength = 4_000
const inlineBudgetMs = 200
/** Each level is a component within the last one. */
const maxDepth = 25

/**
 * The blocks of a Markdown text, as tokens and never as HTML: whoever shows them makes elements, so that nothing of an
 * answer can become a tag. Bounded in time, since an answer is a stranger's input and this runs on the server, too.
 */
export function parseMarkdown(markdown: string): Token[] {
  const plain = [{ type: 'paragraph', raw: markdown, text: markdown }]
  if (markdown.length > maxLength) return plain
  try {
    const lexer = new Lexer({ gfm: true, breaks: true })
    const blocks = lexer.blockTokens(markdown.replace(/\r\n?/g, '\n'), lexer.tokens)
    const startedMs = performance.now()
    for (const { src, tokens } of lexer.inlineQueue) {
      const isAffordable = src.length <= maxParagraphLength && performance.now() - startedMs < inlineBudgetMs
      if (isAffordable) lexer.inlineTokens(src, tokens)
      else tokens.push({ type: 'text', raw: src, text: unescaped(src) })
    }
    return isDeeper(blocks, maxDepth) ? plain : [...blocks]
  } catch {
    // Marked gives up on some inputs that no person writes.
    return plain
  }
}

function isDeeper(tokens: readonly Token[], levels: number): boolean {
  if (levels === 0) return tokens.length > 0
  return tokens.some((token) => {
    const inner: Token[][] = [
      ('tokens' in token && token.tokens) || [],
      token.type === 'list' ? token.items : [],
    ]
    return inner.some((some) => isDeeper(some, levels - 1))
  })
}

/** Where a link of an answer may lead; undefined = nowhere, and its text stays. */
export function safeHref(href: string): string | undefined {
  const url = URL.parse(href)
  return url && /^(https?|mailto|tel):$/.test(url.protocol) ? url.href : undefined
}

const rightToLeft = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u

/**
 * Where lists, quotes and tables begin, by their first letter. The browser's own `dir="auto"` looks past paragraphs that
 * have a direction of their own, and so past everything in them.
 */
export function directionOf(text: string): 'rtl' | undefined {
  const [first = ''] = /\p{L}/u.exec(text) ?? []
  return rightToLeft.test(first) ? 'rtl' : undefined
}

/** What was kept from being a mark is written without its stroke. */
const unescaped = (text: string) => text.replace(/\\([!-/:-@[-`{-~])/g, '$1')

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: '\u00a0' }
/** What Markdown lets a text write for a character. */
export const decodeEntities = (text: string) =>
  text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => entities[name] ?? '')
