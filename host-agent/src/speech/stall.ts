/** A signal that aborts once nothing has moved on for as long as is allowed. */
export function createStall(ms: number) {
  const stalled = new AbortController()
  const abort = () => stalled.abort(new Error('nothing moved on'))
  let timer = setTimeout(abort, ms)
  return {
    signal: stalled.signal,
    /** It moved on; it may stand still for so long from now. */
    moved(nextMs: number): void {
      clearTimeout(timer)
      if (!stalled.signal.aborted) timer = setTimeout(abort, nextMs)
    },
    stop: () => clearTimeout(timer),
  }
}
