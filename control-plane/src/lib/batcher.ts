/** How calls of one kind share their transactions. */
export interface BatchOf<Item, Result> {
  /** All of them in one transaction, results in their order; rejects when none of it happened. */
  together(items: Item[]): Promise<Result[]>
  failed(error: unknown, count: number): void
  /** One whose batch failed, in a transaction of its own: what is wrong with one item hurts nobody else (F8). */
  alone(item: Item): Promise<Result>
  /** Two items of one key never share a batch; the later one goes with the next. */
  keyOf(item: Item): string
  maxItems: number
}

/**
 * Group commit: takes what arrives while the batch before is being written, and writes it as one. Nothing waits for
 * company: a call that comes to an idle batcher goes at once.
 */
export function createBatcher<Item, Result>(batch: BatchOf<Item, Result>): (item: Item) => Promise<Result> {
  interface Call extends PromiseWithResolvers<Result> {
    item: Item
  }
  let waiting: Call[] = []
  let isBusy = false

  async function drain(): Promise<void> {
    while (waiting.length > 0) await write(take())
    isBusy = false
  }
  function take(): Call[] {
    const taken = new Map<string, Call>()
    const left: Call[] = []
    for (const call of waiting) {
      const key = batch.keyOf(call.item)
      if (taken.size < batch.maxItems && !taken.has(key)) taken.set(key, call)
      else left.push(call)
    }
    waiting = left
    return [...taken.values()]
  }
  async function write(calls: Call[]): Promise<void> {
    try {
      const results = await batch.together(calls.map(({ item }) => item))
      for (const [index, call] of calls.entries()) call.resolve(results[index] as Result)
    } catch (error) {
      batch.failed(error, calls.length)
      // Not waited for: the next batch need not wait for these.
      for (const call of calls) batch.alone(call.item).then(call.resolve, call.reject)
    }
  }

  return (item) => {
    const call = { item, ...Promise.withResolvers<Result>() }
    waiting.push(call)
    if (!isBusy) {
      isBusy = true
      // What the same look at the sockets brought goes together.
      setImmediate(() => void drain())
    }
    return call.promise
  }
}
