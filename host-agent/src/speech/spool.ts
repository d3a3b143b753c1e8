import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'

/** What an assistant says by itself, on its way to the control plane. */
export interface Spoken {
  /** The host's own. */
  id: string
  assistantId: string
  /** Markdown. */
  text: string
  /** The turn that ran when it was said; empty = the assistant speaks first. */
  turnId: string
  traceParent: string
  file?: { name: string; bytes: number; sha256: string; path: string }
}

/** `refused` in words for the model. */
export type Outcome = { state: 'stored' } | { state: 'refused'; code: string; detail: string }

/**
 * Messages from when the assistant hears that they are taken until the control plane has them: on the disk, so that
 * neither a kill nor a power cut loses one. Of one that is over, its ids and outcome stay for a day, for whoever sends it
 * again; what it said does not.
 */
export interface Spool {
  /**
   * Writes a file as it comes, and none where nothing comes. What is not added afterwards is gone with the process.
   */
  write(body: AsyncIterable<Uint8Array>): Promise<{ id: string; bytes: number; sha256: string }>
  drop(id: string): Promise<void>
  /** Takes a message, once for each `callId` of its assistant: another with the same is not taken. */
  add(
    spoken: Omit<Spoken, 'file'> & { callId: string; file?: Omit<NonNullable<Spoken['file']>, 'path'> },
  ): Spoken
  find(assistantId: string, callId: string): { id: string; outcome?: Outcome } | undefined
  /** Oldest first. */
  waiting(): Spoken[]
  /** Messages and bytes of files of an assistant that wait. */
  load(assistantId: string): { messages: number; bytes: number }
  settle(id: string, outcome: Outcome): Promise<void>
  close(): void
}

/** A control plane that is away for longer has lost more than this. */
const keepWaitingMs = 7 * 86_400_000
const keepSettledMs = 86_400_000

export function openSpool(dir: string, now: () => number = Date.now): Spool {
  const files = join(dir, 'files')
  mkdirSync(files, { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(join(dir, 'messages.sqlite'))
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000')
  db.exec(`CREATE TABLE IF NOT EXISTS messages (
    place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, assistant_id TEXT NOT NULL, call_id TEXT NOT NULL,
    text TEXT NOT NULL, turn_id TEXT NOT NULL, trace_parent TEXT NOT NULL, file TEXT, outcome TEXT,
    at_ms INTEGER NOT NULL, UNIQUE (assistant_id, call_id)
  ) STRICT`)
  const forgotten = db.prepare(
    'DELETE FROM messages WHERE at_ms < ? OR (outcome IS NOT NULL AND at_ms < ?) RETURNING id',
  )
  const insert =
    db.prepare(`INSERT INTO messages (id, assistant_id, call_id, text, turn_id, trace_parent, file, at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
  const find = db.prepare('SELECT id, outcome FROM messages WHERE assistant_id = ? AND call_id = ?')
  const waiting = db.prepare('SELECT * FROM messages WHERE outcome IS NULL ORDER BY place')
  const load =
    db.prepare(`SELECT count(*) AS messages, coalesce(sum(file ->> '$.bytes'), 0) AS bytes FROM messages
    WHERE assistant_id = ? AND outcome IS NULL`)
  const settle = db.prepare("UPDATE messages SET outcome = ?, text = '', file = NULL WHERE id = ?")

  const pathOf = (id: string) => join(files, id)
  /** A kill in between leaves files that the next start does not know. */
  function forget(): void {
    for (const { id } of forgotten.all(now() - keepWaitingMs, now() - keepSettledMs))
      rmSync(pathOf(String(id)), { force: true })
  }
  const toSpoken = (row: unknown): Spoken => {
    const { id, assistant_id, text, turn_id, trace_parent, file } = rowSchema.parse(row)
    return {
      id,
      assistantId: assistant_id,
      text,
      turnId: turn_id,
      traceParent: trace_parent,
      ...(file !== null && { file: { ...fileSchema.parse(JSON.parse(file)), path: pathOf(id) } }),
    }
  }
  forget()
  // What was being written when the agent before this one died.
  const known = new Set(waiting.all().map(({ id }) => String(id)))
  for (const name of readdirSync(files)) if (!known.has(name)) rmSync(pathOf(name))

  return {
    async write(body) {
      const id = randomUUID()
      const digest = createHash('sha256')
      let bytes = 0
      let file: FileHandle | undefined
      try {
        for await (const chunk of body) {
          if (chunk.length === 0) continue
          bytes += chunk.length
          digest.update(chunk)
          file ??= await open(pathOf(id), 'wx', 0o600)
          await file.writeFile(chunk)
        }
        await file?.sync()
        if (file) await syncFolder(files)
      } catch (error) {
        await rm(pathOf(id), { force: true })
        throw error
      } finally {
        await file?.close()
      }
      return { id, bytes, sha256: digest.digest('hex') }
    },
    drop: (id) => rm(pathOf(id), { force: true }),
    add({ callId, file, ...spoken }) {
      const { id, assistantId, text, turnId, traceParent } = spoken
      forget()
      const kept = file ? JSON.stringify(file) : null
      insert.run(id, assistantId, callId, text, turnId, traceParent, kept, now())
      return { ...spoken, ...(file && { file: { ...file, path: pathOf(id) } }) }
    },
    find(assistantId, callId) {
      const row = find.get(assistantId, callId)
      if (!row) return undefined
      const outcome = row.outcome === null ? undefined : outcomeSchema.parse(JSON.parse(String(row.outcome)))
      return { id: String(row.id), ...(outcome && { outcome }) }
    },
    waiting: () => waiting.all().map(toSpoken),
    load(assistantId) {
      const row = load.get(assistantId)
      return { messages: Number(row?.messages), bytes: Number(row?.bytes) }
    },
    async settle(id, outcome) {
      settle.run(JSON.stringify(outcome), id)
      await rm(pathOf(id), { force: true })
    },
    close() {
      if (db.isOpen) db.close()
    },
  }
}

/** A file is there after a power cut when its folder's entry is, too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync().finally(() => folder.close())
}

const fileSchema = z.object({ name: z.string(), bytes: z.number(), sha256: z.string() })
const rowSchema = z.object({
  id: z.string(),
  assistant_id: z.string(),
  text: z.string(),
  turn_id: z.string(),
  trace_parent: z.string(),
  file: z.string().nullable(),
})
const outcomeSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('stored') }),
  z.object({ state: z.literal('refused'), code: z.string(), detail: z.string() }),
])
