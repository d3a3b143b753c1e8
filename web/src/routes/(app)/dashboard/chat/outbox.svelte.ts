import type { Attachment } from '#lib/server/api/views.ts'
import { isRefusal } from './words.ts'

/** What somebody wrote, until it is among the messages. */
export interface Draft {
  /** The idempotency key: however often it is sent, it is stored once. */
  key: string
  text: string
  files: Attachment[]
  at: string
  state: 'sending' | 'sent' | 'failed'
  /** Why it failed, in words. */
  problem?: string
  /** Nobody was there to take it: it goes out by itself once somebody is. */
  isUnreached?: boolean
}

/** Sends one after the other, so that their order stays, and keeps what is not sent through a reload of the page. */
export class Outbox {
  drafts = $state.raw<Draft[]>([])
  /** By key: why a message that was stored is not answered. */
  reasons = $state.raw<Record<string, string>>({})
  #place: string
  #isSending = false

  constructor(userId: string) {
    this.#place = `yc-outbox-${userId}`
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

  /** Connected again. */
  resume(): void {
    for (const { key, state, isUnreached } of this.drafts)
      if (state === 'failed' && isUnreached) this.#change(key, { state: 'sending' })
    this.sendAll()
  }

  drop(key: string): void {
    this.#set(this.drafts.filter((draft) => draft.key !== key))
  }

  arrived(key: string): void {
    if (this.drafts.some((draft) => draft.key === key)) this.drop(key)
  }

  sendAll(): void {
    if (this.#isSending) return
    this.#isSending = true
    void this.#sendWaiting().finally(() => {
      this.#isSending = false
    })
  }

  async #sendWaiting(): Promise<void> {
    for (;;) {
      const next = this.drafts.find(({ state }) => state === 'sending')
      if (!next) return
      const outcome = await send(next)
      if (outcome.reason !== undefined) this.reasons = { ...this.reasons, [next.key]: outcome.reason }
      this.#change(next.key, outcome.draft)
    }
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

async function send({ key, text, files }: Draft): Promise<{ draft: Partial<Draft>; reason?: string }> {
  const attachmentIds = files.map(({ id }) => id)
  const answer = await fetch('/api/v1/messages', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ text, ...(attachmentIds.length > 0 && { attachmentIds }) }),
  }).catch(() => undefined)
  if (answer?.ok) return { draft: { state: 'sent' } }
  const problem = (await answer?.json().catch(() => undefined)) as
    | { detail: string; code: string }
    | undefined
  if (problem && isRefusal(problem.code)) return { draft: { state: 'sent' }, reason: problem.detail }
  const isUnreached = answer === undefined || answer.status >= 500
  const words = problem?.detail ?? 'You seem to be offline. It goes out when you are back.'
  return { draft: { state: 'failed', isUnreached, problem: words } }
}
