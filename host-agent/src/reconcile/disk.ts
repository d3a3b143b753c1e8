import type { Cause } from '../runtime/runtime.ts'

const toldAt = 0.8

const size = (bytes: number) =>
  bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`

/** What a measured use of disk means for an assistant that may use `maxBytes`. */
export function judgeDisk(bytes: number, maxBytes: number): { cause?: Cause; mayRun: boolean } {
  const use = `Its files take up ${size(bytes)} of the ${size(maxBytes)} that it may use.`
  if (bytes >= maxBytes)
    return { cause: { code: 'disk_limit', detail: `${use} It was stopped.` }, mayRun: false }
  if (bytes >= toldAt * maxBytes) return { cause: { code: 'disk_nearly_full', detail: use }, mayRun: true }
  return { mayRun: true }
}
