/*
 * Time that passes only when a simulation lets it: replaces the timers and Date.now of this process while installed.
 * Promises and streams stay real; they are let run dry between two timers.
 */
interface Timer {
  atMs: number
  order: number
  delayMs: number
  work: () => void
  repeats: boolean
}

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  now: Date.now,
  random: Math.random,
}

export interface VirtualClock {
  now(): number
  sleep(ms: number): Promise<void>
  after(ms: number, work: () => void): void
  /** Lets time pass, one timer after the other. */
  advance(ms: number): Promise<void>
  uninstall(): void
}

/** `random` takes the place of Math.random, so that jitter follows the seed too. */
export function installClock(random: () => number): VirtualClock {
  const timers = new Set<Timer>()
  let nowMs = Date.UTC(2026, 0, 1)
  let order = 0

  function add(work: () => void, delayMs = 0, repeats = false) {
    const timer: Timer = { atMs: nowMs + Math.max(1, delayMs), order: ++order, delayMs, work, repeats }
    timers.add(timer)
    const handle = {
      timer,
      refresh() {
        timer.atMs = nowMs + Math.max(1, timer.delayMs)
        timer.order = ++order
        return handle
      },
      ref: () => handle,
      unref: () => handle,
      hasRef: () => true,
    }
    return handle
  }
  const clear = (handle: unknown) => {
    if (handle) timers.delete((handle as ReturnType<typeof add>).timer)
  }
  const first = () => {
    let next: Timer | undefined
    for (const timer of timers) {
      const sooner = !next || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)
      if (sooner) next = timer
    }
    return next
  }
  const runDry = () => new Promise<void>((resolve) => setImmediate(resolve))

  Object.assign(globalThis, {
    setTimeout: (work: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) =>
      add(() => work(...args), ms),
    clearTimeout: clear,
    setInterval: (work: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) =>
      add(() => work(...args), ms, true),
    clearInterval: clear,
  })
  Date.now = () => nowMs
  Math.random = random

  return {
    now: () => nowMs,
    sleep: (ms) => new Promise((resolve) => void add(resolve, ms)),
    after: (ms, work) => void add(work, ms),
    async advance(ms) {
      const untilMs = nowMs + ms
      await runDry()
      for (let timer = first(); timer && timer.atMs <= untilMs; timer = first()) {
        nowMs = timer.atMs
        if (timer.repeats) {
          timer.atMs = nowMs + Math.max(1, timer.delayMs)
          timer.order = ++order
        } else timers.delete(timer)
        timer.work()
        await runDry()
      }
      nowMs = untilMs
    },
    uninstall() {
      const { now, random: realRandom, ...globals } = real
      Object.assign(globalThis, globals)
      Date.now = now
      Math.random = realRandom
    },
  }
}
