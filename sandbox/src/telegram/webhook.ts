import { setTimeout as sleep } from 'node:timers/promises'
import type { Update, WebhookInfo } from '@grammyjs/types'

export interface WebhookSettings {
  url: string
  secretToken: string | undefined
  allowedUpdates: string[]
}

interface Queued {
  chatId: number
  update: Update
  onDelivered: () => void
  onFailed: () => void
}

const firstBackoffMs = 250
const longestBackoffMs = 5_000
const answerDeadlineMs = 30_000

/**
 * Delivers updates to the bot's webhook: in order within a chat, chats side by side, each update again with backoff
 * until it is answered with 2xx. Without a webhook updates wait; a new webhook gets them at once.
 */
export class Webhook {
  #settings: WebhookSettings | undefined
  #queues = new Map<number, Queued[]>()
  #running = new Set<number>()
  #changed = new AbortController()
  #stopped = false
  #lastError: { at: number; message: string } | undefined
  /** Makes a call that came as the answer of a webhook; may throw. */
  onCall: (call: object) => void = () => {}

  set(settings: WebhookSettings | undefined, dropPending: boolean): void {
    this.#settings = settings
    this.#lastError = undefined
    if (dropPending) this.#queues.clear()
    this.#restart()
  }

  /** Forgets what waits; the webhook itself stays. */
  clear(): void {
    this.#queues.clear()
    this.#lastError = undefined
    this.#restart()
  }

  stop(): void {
    this.#stopped = true
    this.#changed.abort()
  }

  info(): WebhookInfo {
    const settings = this.#settings
    return {
      url: settings?.url ?? '',
      has_custom_certificate: false,
      pending_update_count: [...this.#queues.values()].reduce((sum, queue) => sum + queue.length, 0),
      max_connections: 40,
      ...(settings?.allowedUpdates.length
        ? { allowed_updates: settings.allowedUpdates as NonNullable<WebhookInfo['allowed_updates']> }
        : {}),
      ...(this.#lastError
        ? {
            last_error_date: Math.floor(this.#lastError.at / 1000),
            last_error_message: this.#lastError.message,
          }
        : {}),
    } as WebhookInfo
  }

  push(queued: Queued): void {
    const allowed = this.#settings?.allowedUpdates ?? []
    const isWanted =
      allowed.length > 0
        ? allowed.some((kind) => kind in queued.update)
        : !('message_reaction' in queued.update)
    if (!isWanted) return
    const queue = this.#queues.get(queued.chatId) ?? []
    queue.push(queued)
    this.#queues.set(queued.chatId, queue)
    void this.#drain(queued.chatId)
  }

  #restart(): void {
    this.#changed.abort()
    this.#changed = new AbortController()
    for (const chatId of this.#queues.keys()) void this.#drain(chatId)
  }

  /** One loop a chat: the head of its queue leaves only once delivered, which is what keeps the order. */
  async #drain(chatId: number): Promise<void> {
    if (this.#running.has(chatId)) return
    this.#running.add(chatId)
    let failures = 0
    while (!this.#stopped && this.#settings) {
      const head = this.#queues.get(chatId)?.[0]
      if (!head) break
      const { signal } = this.#changed
      if (await this.#deliver(head.update, this.#settings)) {
        failures = 0
        head.onDelivered()
        const queue = this.#queues.get(chatId)
        if (queue?.[0] === head) queue.shift()
        continue
      }
      failures += 1
      head.onFailed()
      const backoffMs = Math.min(firstBackoffMs * 2 ** (failures - 1), longestBackoffMs)
      // An abort only means that the webhook changed: try again at once.
      await sleep(backoffMs, undefined, { signal }).catch(() => undefined)
    }
    this.#running.delete(chatId)
  }

  async #deliver(update: Update, settings: WebhookSettings): Promise<boolean> {
    try {
      const response = await fetch(settings.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(settings.secretToken ? { 'x-telegram-bot-api-secret-token': settings.secretToken } : {}),
        },
        body: JSON.stringify(update),
        signal: AbortSignal.timeout(answerDeadlineMs),
      })
      const answer = await response.text()
      if (response.ok) {
        this.#call(answer)
        return true
      }
      this.#fail(`Wrong response from the webhook: ${response.status} ${response.statusText}`.trim())
    } catch (error) {
      this.#fail(
        error instanceof Error && error.name === 'TimeoutError'
          ? 'Read timeout expired'
          : 'Connection refused',
      )
    }
    return false
  }

  /** A bot may answer an update with one call (https://core.telegram.org/bots/api#making-requests-when-getting-updates). */
  #call(answer: string): void {
    try {
      const call: unknown = JSON.parse(answer)
      if (typeof call === 'object' && call !== null && 'method' in call) this.onCall(call)
    } catch {
      // The bot does not hear what became of it, as with the real one.
    }
  }

  #fail(message: string): void {
    this.#lastError = { at: Date.now(), message }
  }
}
