import { parseReport, refreshIntervalMs, type StatusReport } from '#lib/status.ts'

/**
 * Asks `/status.json` every few seconds, one question at a time, and not while the tab is hidden.
 * `onAnswer` gets undefined when our own server did not answer. Returns what stops it.
 */
export function pollStatus(onAnswer: (report: StatusReport | undefined) => void): () => void {
  const stop = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let asking = false

  const schedule = () => {
    clearTimeout(timer)
    if (!stop.signal.aborted && !document.hidden) timer = setTimeout(ask, refreshIntervalMs)
  }

  async function ask() {
    if (asking) return
    asking = true
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(refreshIntervalMs)])
    const report = await fetch('/status.json', { signal })
      .then(async (response) => (response.ok ? parseReport(await response.json()) : undefined))
      .catch(() => undefined)
    asking = false
    if (!stop.signal.aborted) onAnswer(report)
    schedule()
  }

  const onVisibility = () => (document.hidden ? clearTimeout(timer) : void ask())
  document.addEventListener('visibilitychange', onVisibility, { signal: stop.signal })
  schedule()

  return () => {
    stop.abort()
    clearTimeout(timer)
  }
}
