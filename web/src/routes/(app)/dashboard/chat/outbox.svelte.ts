import { Backoff } from '#lib/backoff.ts'
import type { Attachment } from '#lib/server/api/views.ts'
import { isRefusal } from './words.ts'

/** What somebody wrote, until it is among the messages. */
export interface Draft {
  /** The idempotency key: however often it is sent, it is stored once. */
  key: string
  text: string
  files: Attachment[]
  at: string
  /** `unreached`: nobody was there to take it; it goes out by itself, and what was written after it behind it. */
  state: 'sending' | 'unreached' | 'sent' | 'failed'
  /** Why it was not taken, in words. */
  problem?: string | undefined
}

/**
 * Sends one after the other, so that their order stays, and keeps what is not sent through a reload of the page. What
 * nobody was reached for is tried again while the chat is live, and at once when it is live again.
 */
export class Outbox {
  drafts = $state.raw<Draft[]>([])
  /** By key: why a message that was stored is not answered. */
  reasons = $state.raw<Record<string, string>>({})
  readonly #place: string
  readonly #isLive: () => boolean
  readonly #backoff = new Backoff()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** What is being sent. */
  #request: AbortController | undefined

  constructor(userId: string, isLive: () => boolean) {
    this.#place = `yc-outbox-${userId}`
    this.#isLive = isLive
  }

  /** What a reload of the page interrupted. */
  restore(): void {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.#place) ?? '[]') as Draft[]
      this.drafts = kept.map((draft) => ({ ...draft, state: 'sending' }))
    } catch {
      // Nothing that could be read.
    }
    this.sendAll()
  }

  add({ text, files }: Pick<Draft, 'text' | 'files'>): void {
    const at = new Date().toISOString()
    this.#set([...this.drafts, { key: crypto.randomUUID(), text, files, at, state: 'sending' }])
    this.sendAll()
  }

  retry(key: string): void {
    this.#change(key, { state: 'sending' })
    this.sendAll()
  }

  /** Connected again: what hangs on the connection before is sent anew, under its key. */
  resume(): void {
    this.#request?.abort()
    this.#request = undefined
    this.#backoff.reset()
    this.sendAll()
  }

  drop(key: string): void {
    this.#set(this.drafts.filter((draft) => draft.key !== key))
  }

  arrived(key: string): void {
    if (this.drafts.some((draft) => draft.key === key)) this.drop(key)
  }

  sendAll(): void {
    if (this.#request) return
    clearTimeout(this.#timer)
    void this.#sendWaiting()
  }

  async #sendWaiting(): Promise<void> {
    for (;;) {
      const next = this.drafts.find(({ state }) => state === 'sending' || state === 'unreached')
      if (!next) return
      const request = new AbortController()
      this.#request = request
      const outcome = await send(next, request.signal)
      // Aborted, and begun anew.
      if (this.#request !== request) return
      this.#request = undefined
      if (outcome.reason !== undefined) this.reasons = { ...this.reasons, [next.key]: outcome.reason }
      this.#change(next.key, outcome.draft)
      if (outcome.draft.state === 'unreached') return this.#tryLater()
      this.#backoff.reset()
    }
  }

  /** Where it is not live by then, `resume` comes. */
  #tryLater(): void {
    this.#timer = setTimeout(() => {
      if (this.#isLive()) this.sendAll()
    }, this.#backoff.next())
  }

  #change(key: string, change: Partial<Draft>): void {
    this.#set(this.drafts.map((draft) => (draft.key === key ? { ...draft, ...change } : draft)))
  }

  #set(drafts: Draft[]): void {
    this.drafts = drafts
    const waiting = drafts.filter(({ state }) => state !== 'sent')
    try {
      if (waiting.length > 0) sessionStorage.setItem(this.#place, JSON.stringify(waiting))
      else sessionStorage.removeItem(this.#place)
    } catch {
      // No storage: a reload then loses what was not sent.
    }
  }
}

async function send(
  { key, text, files }: Draft,
  signal: AbortSignal,
): Promise<{ draft: Pick<Draft, 'state' | 'problem'>; reason?: string }> {
  const attachmentIds = files.map(({ id }) => id)
  const answer = await fetch('/api/v1/messages', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ text, ...(attachmentIds.length > 0 && { attachmentIds }) }),
    signal,
  }).catch(() => undefined)
  if (answer?.ok) return { draft: { state: 'sent' } }
  const problem = (await answer?.json().catch(() => undefined)) as
    | { detail: string; code: string }
    | undefined
  if (problem && isRefusal(problem.code)) return { draft: { state: 'sent' }, reason: problem.detail }
  const isUnreached = answer === undefined || answer.status >= 500
  return { draft: { state: isUnreached ? 'unreached' : 'failed', problem: problem?.detail } }
}
