import { randomUUID } from 'node:crypto'
import type { Pool } from '@yourclaw/db'
import type { Logger } from 'pino'
import { z } from 'zod'
import { type Clock, type Nudge, notification } from '../context.ts'
import type { TurnAudience } from '../fleet/audience.ts'
import type { Notifications } from '../lib/notifications.ts'

/** An answer that is being written; its text only grows. */
export interface RunningAnswer {
  turnId: string
  /** Another one of the same turn is another text, from its beginning. */
  run: string
  text: string
}

/**
 * The answers that are being written, for whoever watches on whatever replica. The replica that carries a turn has its
 * text anyway; others hear of it by notices of the database, and only while somebody watches there (adr/0071). What is
 * lost is asked for again, and what is stored in the end does not depend on it.
 */
export interface LiveAnswers extends TurnAudience {
  /** `wake` is called when `answer()` has changed. */
  watch(userId: string, wake: () => void): { answer(): RunningAnswer | undefined; stop(): void }
  close(): void
}

/** Of somebody who has a stream open here. */
interface Watched {
  wakes: Set<() => void>
  /** As another replica tells it. */
  heard?: RunningAnswer
  heardAtMs: number
  askedAtMs: number
}

const piece = z.object({
  turnId: z.string(),
  run: z.string(),
  /** Where in the answer the text stands. */
  offset: z.int().min(0),
  text: z.string(),
  isOver: z.boolean().optional(),
})
type Piece = z.infer<typeof piece>

/** A notice holds less than 8,000 bytes, and JSON makes six of the worst character. */
const maxPieceLength = 1_200
const maxIdsPerNotice = 150
/** What is longer is not shown as it grows on other replicas; once it is stored it is shown everywhere. */
const maxLength = 100_000
/** Between two notices of what is new. */
const pauseMs = 100
const renewMs = 20_000
/** What was not renewed since is forgotten. */
const leaseMs = 65_000
const askAgainMs = 1_000

export function createLiveAnswers(deps: {
  pool: Pick<Pool, 'query'>
  notifications: Pick<Notifications, 'on'>
  clock: Clock
  log: Logger
}): LiveAnswers {
  const { pool, notifications, clock, log } = deps
  /** Carried here, by the newest stream of the turn: an older one may end later. */
  const own = new Map<string, { answer: RunningAnswer }>()
  const watched = new Map<string, Watched>()
  /** Who is watched on other replicas, and until when. */
  const elsewhere = new Map<string, number>()
  const publisher = createPublisher({ pool, clock, log })

  const wake = (userId: string) => {
    for (const one of watched.get(userId)?.wakes ?? []) one()
  }
  const isWatchedElsewhere = (userId: string) => (elsewhere.get(userId) ?? 0) > clock.now()
  const changed = (userId: string, answer: RunningAnswer, isOver = false) => {
    wake(userId)
    if (isWatchedElsewhere(userId)) publisher.publish(userId, answer, isOver)
    else publisher.forget(userId)
  }
  /** `new`: from the beginning, please. */
  const announce = (userIds: string[], word: 'new' | 'still') => {
    const notices: Nudge[] = []
    for (let at = 0; at < userIds.length; at += maxIdsPerNotice)
      notices.push(`watch:${word}:${userIds.slice(at, at + maxIdsPerNotice).join(',')}`)
    if (notices.length === 0) return
    pool
      .query(notification(notices))
      .catch((err: unknown) => log.debug({ err }, 'watching was not announced'))
  }

  const offs = [
    notifications.on('watch', (notice) => {
      const [word, ids = ''] = notice.split(':')
      for (const userId of ids === '' ? [] : ids.split(',')) {
        elsewhere.set(userId, clock.now() + leaseMs)
        const answer = own.get(userId)?.answer
        if (word === 'new') publisher.forget(userId)
        if (answer) publisher.publish(userId, answer, false)
      }
    }),
    notifications.on('answer', (notice) => {
      // Notices were lost: the others are asked for everything.
      if (notice === '') return announce([...watched.keys()], 'new')
      const [userId = '', ...rest] = notice.split(':')
      const entry = watched.get(userId)
      const heard = entry && readPiece(rest.join(':'))
      if (!entry || !heard) return
      const carried = own.get(userId)
      if (carried) {
        // A stream that was cut without our noticing: the turn has ended elsewhere.
        if (heard.isOver && heard.turnId === carried.answer.turnId) own.delete(userId)
        return wake(userId)
      }
      entry.heardAtMs = clock.now()
      if (!takePiece(entry, heard) && entry.askedAtMs + askAgainMs <= clock.now()) {
        entry.askedAtMs = clock.now()
        announce([userId], 'new')
      }
      wake(userId)
    }),
  ]
  const renewal = setInterval(() => {
    announce([...watched.keys()], 'still')
    for (const [userId, untilMs] of elsewhere) if (untilMs <= clock.now()) elsewhere.delete(userId)
    for (const entry of watched.values()) if (entry.heardAtMs + leaseMs <= clock.now()) delete entry.heard
  }, renewMs)
  renewal.unref()

  return {
    begin({ turnId, userId }) {
      const entry = watched.get(userId)
      const before = own.get(userId)?.answer ?? entry?.heard
      const answer = before?.turnId === turnId ? before : { turnId, run: newRun(), text: '' }
      const mine = { answer }
      own.set(userId, mine)
      delete entry?.heard
      // That somebody writes is shown before the first word.
      changed(userId, answer)
      let hasCaughtUp = false
      return {
        text(soFar) {
          if (own.get(userId) !== mine) return
          // A stream that was opened again tells everything once more; another attempt tells something else, perhaps
          // only after some words.
          if (!hasCaughtUp && !isContinued(answer.text, soFar))
            Object.assign(answer, { run: newRun(), text: '' })
          hasCaughtUp ||= soFar.length >= answer.text.length
          if (soFar.length > answer.text.length) answer.text = soFar
          changed(userId, answer)
        },
        end(outcome) {
          if (own.get(userId) !== mine) return
          own.delete(userId)
          const entry = watched.get(userId)
          if (outcome !== 'cut') return changed(userId, answer, true)
          if (!entry) return
          // It goes on here or elsewhere, and what is shown stays.
          Object.assign(entry, { heard: answer, heardAtMs: clock.now() })
          announce([userId], 'new')
        },
      }
    },
    watch(userId, wake) {
      const entry = watched.get(userId) ?? { wakes: new Set(), heardAtMs: 0, askedAtMs: 0 }
      if (!watched.has(userId)) {
        watched.set(userId, entry)
        if (!own.has(userId)) announce([userId], 'new')
      }
      entry.wakes.add(wake)
      return {
        answer: () => own.get(userId)?.answer ?? entry.heard,
        stop() {
          entry.wakes.delete(wake)
          if (entry.wakes.size === 0 && watched.get(userId) === entry) watched.delete(userId)
        },
      }
    },
    close() {
      clearInterval(renewal)
      for (const off of offs) off()
      publisher.close()
    },
  }
}

const newRun = () => randomUUID().slice(0, 8)
const isContinued = (before: string, now: string) => now.startsWith(before) || before.startsWith(now)

/** Undefined for what is none: a notice of the database is nothing to fall over. */
function readPiece(text: string): Piece | undefined {
  try {
    return piece.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** False when something before it is missing. */
function takePiece(entry: Watched, { turnId, run, offset, text, isOver }: Piece): boolean {
  const known = entry.heard
  if (known?.turnId === turnId && known.run === run) {
    if (offset > known.text.length) return false
    if (offset + text.length > known.text.length) known.text = known.text.slice(0, offset) + text
  } else {
    if (isOver) return true
    if (offset > 0) return false
    entry.heard = { turnId, run, text }
  }
  if (isOver) delete entry.heard
  return true
}

/** Tells other replicas what is new of answers: together, in order, one statement at a time. */
function createPublisher({ pool, clock, log }: { pool: Pick<Pool, 'query'>; clock: Clock; log: Logger }) {
  const waiting = new Map<string, { answer: RunningAnswer; isOver: boolean }>()
  const told = new Map<string, { run: string; length: number }>()
  let timer: NodeJS.Timeout | undefined
  let isBusy = false
  let lastAtMs = 0

  function* piecesOf(
    userId: string,
    { turnId, run, text }: RunningAnswer,
    isOver: boolean,
  ): Generator<Nudge> {
    const before = told.get(userId)
    let offset = before?.run === run ? before.length : 0
    const end = Math.max(offset, Math.min(text.length, maxLength))
    do {
      const next = text.slice(offset, Math.min(end, offset + maxPieceLength))
      const last = offset + next.length >= end
      const said: Piece = { turnId, run, offset, text: next, ...(isOver && last && { isOver }) }
      yield `answer:${userId}:${JSON.stringify(said)}`
      offset += next.length
    } while (offset < end)
    if (isOver) told.delete(userId)
    else told.set(userId, { run, length: end })
  }
  async function flush() {
    isBusy = true
    lastAtMs = clock.now()
    const notices = [...waiting].flatMap(([userId, { answer, isOver }]) => [
      ...piecesOf(userId, answer, isOver),
    ])
    waiting.clear()
    try {
      await pool.query(notification(notices))
    } catch (err) {
      // Whoever misses it asks again.
      log.debug({ err }, 'an answer was not shown on other replicas')
    }
    isBusy = false
    timer = undefined
    if (waiting.size > 0) schedule()
  }
  function schedule() {
    if (isBusy) return
    timer ??= setTimeout(() => void flush(), Math.max(0, lastAtMs + pauseMs - clock.now()))
  }
  return {
    publish(userId: string, answer: RunningAnswer, isOver: boolean) {
      waiting.set(userId, { answer, isOver })
      schedule()
    },
    /** The next time everything is told. */
    forget(userId: string) {
      told.delete(userId)
    },
    close() {
      clearTimeout(timer)
      waiting.clear()
    },
  }
}
