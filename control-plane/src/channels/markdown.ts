import { Lexer, type Token } from 'marked'

/** Longer texts are sent as they are: no person reads their marks, and blocks cost more than linear time, too. */
const maxLength = 100_000
/** Emphasis costs quadratic time in the length of its paragraph; a longer one keeps its marks as text. */
const maxParagraphLength = 4_000
const inlineBudgetMs = 200

/**
 * The tokens of a Markdown text; null when it is better sent as it is. Bounded in time whatever the text: an answer
 * is a stranger's input too, and this runs where every other conversation runs.
 */
export function parseMarkdown(markdown: string): Token[] | null {
  if (markdown.length > maxLength) return null
  try {
    const lexer = new Lexer()
    const blocks = lexer.blockTokens(markdown.replace(/\r\n?/g, '\n'), lexer.tokens)
    const startedMs = performance.now()
    for (const { src, tokens } of lexer.inlineQueue) {
      const isAffordable = src.length <= maxParagraphLength && performance.now() - startedMs < inlineBudgetMs
      if (isAffordable) lexer.inlineTokens(src, tokens)
      else tokens.push({ type: 'text', raw: src, text: src })
    }
    return blocks
  } catch {
    // Marked gives up on some inputs that no person writes.
    return null
  }
}
