const firstMs = 1_000
const lastMs = 15_000

/** How long to wait before the next try: a second, then twice as long each time, a quarter of a minute at most. */
export class Backoff {
  #nextMs = firstMs

  next(): number {
    const ms = this.#nextMs
    this.#nextMs = Math.min(lastMs, ms * 2)
    return ms
  }

  reset(): void {
    this.#nextMs = firstMs
  }
}
