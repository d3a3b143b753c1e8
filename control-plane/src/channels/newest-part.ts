/** More is not read while it moves, and what is shown each second is formatted each second. */
const longest = 3_000

/** The end of an answer that is being written, from the beginning of a line, within what one message holds. */
export function newestPart(markdown: string): string {
  if (markdown.length <= longest) return markdown
  const from = markdown.indexOf('\n', markdown.length - longest) + 1
  const start = from > 0 ? from : markdown.length - longest
  const isInCode = (markdown.slice(0, start).match(/^ {0,3}```/gm) ?? []).length % 2 === 1
  return `…\n${isInCode ? '```\n' : ''}${markdown.slice(start).replace(/^[\udc00-\udfff]/, '')}`
}
