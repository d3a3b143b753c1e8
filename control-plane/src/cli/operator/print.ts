/** Columns under their heads, as wide as they need to be. */
export function table(heads: string[], rows: (string | number | null)[][]): string {
  const cells = rows.map((row) => row.map((cell) => (cell === null || cell === '' ? '-' : String(cell))))
  const widths = heads.map((head, at) => Math.max(head.length, ...cells.map((row) => row[at]?.length ?? 0)))
  const line = (row: string[]) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(heads), ...cells.map(line)].join('\n')
}

/** What one thing is, a fact a line. */
export function facts(pairs: [string, string | number | null][]): string {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs
    .map(([name, value]) => `${name.padEnd(width)}  ${value === null || value === '' ? '-' : value}`)
    .join('\n')
}

/** 3 min ago, in 16 h; null stays null. */
export function when(iso: string | null, nowMs: number): string | null {
  if (iso === null) return null
  const ms = Date.parse(iso) - nowMs
  const seconds = Math.round(Math.abs(ms) / 1000)
  const text =
    seconds < 100
      ? `${seconds} s`
      : seconds < 6_000
        ? `${Math.round(seconds / 60)} min`
        : seconds < 172_800
          ? `${Math.round(seconds / 3_600)} h`
          : `${Math.round(seconds / 86_400)} days`
  return ms > 0 ? `in ${text}` : `${text} ago`
}

/** 3.1/16.0 GiB free */
export function free(freeBytes: number | null, totalBytes: number | null): string | null {
  if (freeBytes === null || totalBytes === null) return null
  const gib = (bytes: number) => (bytes / 1024 ** 3).toFixed(1)
  return `${gib(freeBytes)}/${gib(totalBytes)} GiB`
}
