import { cpus, loadavg, totalmem } from 'node:os'

/** Milliseconds on a clock that all processes of the machine share. */
export const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6

/** The value below which that share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** What the figures of one side say. */
export const summary = (values: readonly number[]) => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
})

export const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`
export const times = (value: number) => `${value.toFixed(2)} ×`
export const megabytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MB`

/** One row: what was measured, the figure, and the goal if there is one. */
export interface Row {
  what: string
  figure: string
  goal?: string
  met?: boolean
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

export function rowsTable(rows: readonly Row[]): string {
  const cells = rows.map(({ what, figure, goal, met }) => [
    what,
    figure,
    goal ?? '',
    met === undefined ? '' : met ? 'met' : '**missed**',
  ])
  return markdownTable(['Measured', 'Figure', 'Goal', ''], cells)
}

export function machine(): string {
  const [cpu] = cpus()
  const gigabytes = Math.round(totalmem() / 1024 ** 3)
  return `${cpus().length} × ${cpu?.model ?? 'unknown'}, ${gigabytes} GB, ${process.platform}, Node ${process.version}`
}

/** Runnable processes over the last minute; a machine of ours alone shows what the bench itself asks for. */
export const load = () => (loadavg()[0] ?? 0).toFixed(1)
