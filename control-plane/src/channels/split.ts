/**
 * Where to cut a text that is longer than a channel's limit: at a block, else a line, else a word, else between
 * code points. Lengths are UTF-16 code units, as Telegram and Twilio count them.
 */
export interface SplitHints {
  limit: number
  /** Ascending offsets at which a block begins. */
  blockStarts?: readonly number[]
  /** Ranges that should stay whole: formatted spans, code fences. */
  whole?: readonly Range[]
}

/** start is inside, end is not. */
export interface Range {
  start: number
  end: number
}

/** The ranges to send, in order, without the white space around them; never an empty one. */
export function splitRanges(text: string, hints: SplitHints): Range[] {
  const ranges: Range[] = []
  let range = nextRange(text, 0, hints)
  while (range) {
    ranges.push(range)
    range = nextRange(text, range.end, hints)
  }
  return ranges
}

/** The first range to send from `from` on; null when only white space is left. */
export function nextRange(text: string, from: number, hints: SplitHints): Range | null {
  let start = skipBlank(text, from)
  while (start < text.length) {
    const end = text.length - start <= hints.limit ? text.length : findCut(text, start, hints)
    const trimmed = start + text.slice(start, end).trimEnd().length
    if (trimmed > start) return { start, end: trimmed }
    start = skipBlank(text, end)
  }
  return null
}

/** Where each piece lies in the text that they make together. */
export function place<T extends { text: string }>(pieces: readonly T[]): (T & Range)[] {
  let start = 0
  return pieces.map((piece) => {
    const placed = { ...piece, start, end: start + piece.text.length }
    start = placed.end
    return placed
  })
}

export function splitText(text: string, limit: number): string[] {
  const blockStarts = [...text.matchAll(/\n\n+/g)].map((match) => match.index + match[0].length)
  return splitRanges(text, { limit, blockStarts }).map((range) => text.slice(range.start, range.end))
}

function findCut(text: string, start: number, hints: SplitHints): number {
  const max = start + hints.limit
  const block = hints.blockStarts?.findLast((offset) => offset > start && offset <= max)
  if (block !== undefined) return block
  const window = text.slice(start, max + 1)
  const line = window.lastIndexOf('\n')
  const word = Math.max(window.lastIndexOf(' '), window.lastIndexOf('\t'))
  let cut = line > 0 ? start + line : word > 0 ? start + word : max
  for (const range of hints.whole ?? []) {
    const inside = range.start < cut && cut < range.end
    if (inside && range.start > start && range.end - range.start <= hints.limit) cut = range.start
  }
  const before = text.charCodeAt(cut - 1)
  const splitsPair = before >= 0xd800 && before <= 0xdbff && cut - 1 > start
  return splitsPair ? cut - 1 : cut
}

/** Leading blank lines go; the indentation of the first line that has text stays. */
function skipBlank(text: string, from: number): number {
  const blank = /\s*\n|\s+$| /y
  blank.lastIndex = from
  const match = blank.exec(text)
  return match ? from + match[0].length : from
}
