import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'

/** A part of the outside world that may outlive its process. What it saves is plain: maps, sets and bytes included. */
export interface Keepable {
  save(): unknown
  /** Takes what `save` gave in an earlier run. */
  load(saved: never): void
}

/** Of what is written; another one is not read. To be raised when a part saves something else. */
const format = 1
const everyMs = 2_000

/**
 * Keeps parts in a file: what an earlier run wrote is loaded, and what changed is written every two seconds and at the
 * end, whole or not at all. One serialization holds all of them, so that what is one object stays one.
 */
export function keepIn(file: string, parts: Record<string, Keepable>): { stop(): void } {
  load(file, parts)
  let written: Buffer | undefined
  const write = () => {
    const saved = Object.entries(parts).map(([name, part]) => [name, part.save()])
    const now = serialize({ format, saved: Object.fromEntries(saved) })
    if (written?.equals(now)) return
    writeFileSync(`${file}.new`, now)
    renameSync(`${file}.new`, file)
    written = now
  }
  const timer = setInterval(write, everyMs).unref()
  return {
    stop() {
      clearInterval(timer)
      write()
    },
  }
}

function load(file: string, parts: Record<string, Keepable>): void {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const read = readWhole(bytes)
  if (read === undefined) {
    console.error(`${file} cannot be read and is begun anew`)
    renameSync(file, `${file}.unreadable`)
    return
  }
  for (const [name, part] of Object.entries(parts)) if (name in read) part.load(read[name] as never)
}

function readWhole(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const read = deserialize(bytes) as { format?: unknown; saved: Record<string, unknown> }
    return read.format === format ? read.saved : undefined
  } catch {
    return undefined
  }
}

/** Puts what was saved of a map back into it. */
export function refill<K, V>(map: Map<K, V>, saved: Map<K, V>): void {
  map.clear()
  for (const [key, value] of saved) map.set(key, value)
}
