import { closeSync, fdatasync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { type HeldTurn, TurnEvent } from '@yourclaw/proto/host/v1'

/** A turn as the journal has it; `result` (done or failed) is absent while it runs. */
export interface JournaledTurn {
  turnId: string
  attempt: number
  result?: TurnEvent
}

/**
 * What must outlive the agent: which turns it took, and their results until the control plane has stored them.
 * A turn is begun → finished → released, to be begun again, or forgotten. Secrets and what users wrote never come
 * here; answers do, until stored.
 */
export interface Journal {
  /**
   * Resolves once it is on the disk, so that not even a power cut forgets where the conversation ended before anything
   * of the turn was sent (`mark`); the first mark of a turn stays. What comes together is written together.
   */
  begin(turnId: string, attempt: number, mark: string): Promise<void>
  /** This and what follows outlive the process; a power cut may undo them, and then the conversation has the answer. */
  finish(turnId: string, attempt: number, result: TurnEvent): void
  /** Holds an attempt no longer, but keeps the turn's mark: another attempt follows. */
  release(turnId: string): void
  /** Forgets a turn whose result is stored, or that nobody wants any more. */
  forget(turnId: string): void
  /** Undefined when nothing of the turn can have been sent. */
  mark(turnId: string): string | undefined
  find(turnId: string): JournaledTurn | undefined
  held(): HeldTurn[]
  close(): void
}

/** Results nobody asked for in this time belong to turns that were ended elsewhere. */
const keepMs = 7 * 24 * 3600 * 1000

export function openJournal(path: string, now: () => number = Date.now): Journal {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000')
  db.exec(`CREATE TABLE IF NOT EXISTS turns (
    turn_id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, result BLOB, at_ms INTEGER NOT NULL
  ) STRICT`)
  db.exec(`CREATE TABLE IF NOT EXISTS marks (
    turn_id TEXT PRIMARY KEY, mark TEXT NOT NULL, at_ms INTEGER NOT NULL
  ) STRICT`)
  for (const table of ['turns', 'marks'])
    db.prepare(`DELETE FROM ${table} WHERE at_ms < ?`).run(now() - keepMs)
  failInterrupted(db)
  const log = path === ':memory:' ? nowhere : openLog(path)

  const begin = db.prepare(`INSERT INTO turns (turn_id, attempt, at_ms) VALUES (?, ?, ?)
    ON CONFLICT (turn_id) DO UPDATE SET attempt = excluded.attempt, result = NULL, at_ms = excluded.at_ms`)
  const finish = db.prepare('UPDATE turns SET result = ?, at_ms = ? WHERE turn_id = ? AND attempt = ?')
  const release = db.prepare('DELETE FROM turns WHERE turn_id = ?')
  const forgetMark = db.prepare('DELETE FROM marks WHERE turn_id = ?')
  const setMark = db.prepare('INSERT OR IGNORE INTO marks (turn_id, mark, at_ms) VALUES (?, ?, ?)')
  const mark = db.prepare('SELECT mark FROM marks WHERE turn_id = ?')
  const find = db.prepare('SELECT turn_id, attempt, result FROM turns WHERE turn_id = ?')
  const held = db.prepare(
    'SELECT turn_id, attempt, result IS NOT NULL AS finished FROM turns ORDER BY turn_id',
  )

  interface Beginning extends PromiseWithResolvers<void> {
    turnId: string
    attempt: number
    mark: string
  }
  let asked: Beginning[] = []
  /** On their way to the disk: they outlive this process already. */
  let written: Beginning[] = []
  let isSyncing = false

  function writeAsked(): void {
    const batch = asked
    asked = []
    if (batch.length === 0) return
    try {
      db.exec('BEGIN IMMEDIATE')
      for (const turn of batch) {
        begin.run(turn.turnId, turn.attempt, now())
        setMark.run(turn.turnId, turn.mark, now())
      }
      db.exec('COMMIT')
      written.push(...batch)
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      for (const turn of batch) turn.reject(error)
    }
  }
  /** One wait for the disk for all that began since the last one; the process goes on meanwhile. */
  async function sync(): Promise<void> {
    for (writeAsked(); written.length > 0; writeAsked()) {
      const batch = written
      written = []
      try {
        await log.sync()
        for (const turn of batch) turn.resolve()
      } catch (error) {
        for (const turn of batch) turn.reject(error)
      }
    }
    isSyncing = false
    if (!db.isOpen) log.close()
  }
  function remove(turnId: string): void {
    if (asked.some((turn) => turn.turnId === turnId)) writeAsked()
    release.run(turnId)
  }

  return {
    begin(turnId, attempt, mark) {
      const beginning = { turnId, attempt, mark, ...Promise.withResolvers<void>() }
      asked.push(beginning)
      if (!isSyncing) {
        isSyncing = true
        setImmediate(() => void sync())
      }
      return beginning.promise
    },
    finish(turnId, attempt, result) {
      // It may be over before its beginning was written.
      if (asked.some((turn) => turn.turnId === turnId)) writeAsked()
      finish.run(TurnEvent.encode(result).finish(), now(), turnId, attempt)
    },
    release: remove,
    forget(turnId) {
      remove(turnId)
      forgetMark.run(turnId)
    },
    mark: (turnId) => mark.get(turnId)?.mark as string | undefined,
    find(turnId) {
      const row = find.get(turnId)
      if (!row) return undefined
      const turn: JournaledTurn = { turnId, attempt: Number(row.attempt) }
      if (row.result instanceof Uint8Array) turn.result = TurnEvent.decode(row.result)
      return turn
    },
    held: () =>
      held.all().map((row) => ({
        turnId: String(row.turn_id),
        attempt: Number(row.attempt),
        finished: row.finished === 1,
      })),
    close() {
      if (!db.isOpen) return
      writeAsked()
      db.close()
      if (!isSyncing) log.close()
    },
  }
}

/** What waits for nothing. */
const nowhere = { sync: async () => {}, close() {} }

/**
 * SQLite's write-ahead log, which has every commit as soon as it is made. SQLite itself waits for the disk (synchronous
 * = FULL) only on the process's one thread, which all turns need.
 */
function openLog(path: string) {
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
  const file = openSync(`${path}-wal`, 'r')
  return { sync: () => promisify(fdatasync)(file), close: () => closeSync(file) }
}

/** An agent's death closes its requests, and that cancels the runs: attempts that were running have failed. */
function failInterrupted(db: DatabaseSync): void {
  const result = TurnEvent.create({
    body: {
      $case: 'failed',
      failed: {
        cause: { code: 'agent_restarted', detail: 'The host agent restarted during the turn.' },
        retryable: true,
      },
    },
  })
  db.prepare('UPDATE turns SET result = ? WHERE result IS NULL').run(TurnEvent.encode(result).finish())
}
