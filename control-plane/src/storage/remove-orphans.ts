import type { Store } from './store.ts'

const batchSize = 500

/** Removes the files below `prefix` that no row names: a row is there before its file, so such a file is nobody's. */
export async function removeOrphans(
  store: Store,
  prefix: string,
  rowsOf: (ids: string[]) => Promise<{ id: string }[]>,
): Promise<void> {
  const ids = (await store.list(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((id) => /^[0-9a-f-]{36}$/.test(id))
  for (let at = 0; at < ids.length; at += batchSize) {
    const batch = ids.slice(at, at + batchSize)
    const named = new Set((await rowsOf(batch)).map(({ id }) => id))
    for (const id of batch) if (!named.has(id)) await store.delete(prefix + id)
  }
}
