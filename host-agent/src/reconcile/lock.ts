/** One piece of work at a time for each key; different keys run side by side. */
export function createKeyedLock() {
  const tails = new Map<string, Promise<void>>()
  return {
    async run<T>(key: string, work: () => Promise<T>): Promise<T> {
      const before = tails.get(key) ?? Promise.resolve()
      const { promise: done, resolve: release } = Promise.withResolvers<void>()
      const tail = before.then(() => done)
      tails.set(key, tail)
      await before
      try {
        return await work()
      } finally {
        release()
        if (tails.get(key) === tail) tails.delete(key)
      }
    },
    /** Resolves when all work that was started before is over. */
    async idle(): Promise<void> {
      await Promise.all(tails.values())
    },
  }
}
