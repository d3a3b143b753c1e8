import { SvelteMap } from 'svelte/reactivity'
import { Backoff } from '#lib/backoff.ts'
import type { Message } from '#lib/server/api/views.ts'
import { type Draft, Outbox } from './outbox.svelte.ts'

interface Page {
  messages: Message[]
  nextBefore?: string | undefined
}

const api = '/api/v1/messages'
const olderAtOnce = 40

/**
 * The conversation in the browser: what the page came with, then what the API's events say. Events carry positions, so
 * that nothing is missed whenever the connection comes back; messages are put in place by their id, so that nothing is
 * there twice.
 */
export class Chat {
  #messages = new SvelteMap<string, Message>()
  #before = $state<string>()
  /** The answer that is being written; its text is empty while the assistant thinks. */
  #answer = $state.raw<{ turnId: string; text: string }>()
  connection = $state<'connecting' | 'live' | 'lost'>('connecting')
  /** Set while older messages are on their way, or could not be had. */
  older = $state<'idle' | 'loading' | 'failed'>('idle')
  /** Signed out, here or elsewhere. */
  onSignedOut: () => void = () => {}
  outbox: Outbox
  readonly #userId: string

  constructor(page: Page, userId: string) {
    this.#userId = userId
    this.outbox = new Outbox(userId, () => this.connection === 'live')
    this.#take(page.messages)
    this.#before = page.nextBefore
  }

  readonly messages = $derived([...this.#messages.values()].sort((a, b) => a.seq - b.seq))
  /** What was written here and is not among the messages yet. */
  readonly sending = $derived.by(() => {
    const keys = new Set(this.messages.map(({ key }) => key))
    return this.outbox.drafts.filter(({ key }) => !keys.has(key))
  })
  readonly hasOlder = $derived(this.#before !== undefined)
  /** Undefined once its message is there, or its turn came to nothing. */
  readonly answer = $derived.by(() => {
    const answer = this.#answer
    if (!answer) return undefined
    const ofTurn = this.messages.filter(({ turnId }) => turnId === answer.turnId)
    const isStored = ofTurn.some(({ direction, kind }) => direction === 'OUTBOUND' && kind === 'CHAT')
    const asked = ofTurn.filter(({ direction }) => direction === 'INBOUND')
    const isOver = asked.length > 0 && asked.every(({ state }) => state !== 'RECEIVED')
    return isStored || isOver ? undefined : answer
  })

  /** Follows the conversation until what it returns is called. */
  follow(): () => void {
    let events: EventSource | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let position = String(this.messages.at(-1)?.seq ?? 0)
    const backoff = new Backoff()
    let isOver = false

    const isLive = () => {
      this.connection = 'live'
      this.outbox.resume()
    }
    const open = () => {
      clearTimeout(timer)
      events?.close()
      events = new EventSource(`${api}/events?after=${position}`)
      const on = (name: string, take: (data: string) => void) =>
        events?.addEventListener(name, ({ data, lastEventId }) => {
          if (lastEventId !== '') position = lastEventId
          // The browser was wrong about being offline.
          if (this.connection === 'lost' && name !== 'begin') isLive()
          take(data)
        })
      on('begin', (data) => {
        // Somebody else has signed in to this browser: what is here is not theirs, nor to be sent in their name.
        if (JSON.parse(data).userId !== this.#userId) {
          events?.close()
          return location.reload()
        }
        backoff.reset()
        isLive()
      })
      on('message', (data) => this.#take([JSON.parse(data)]))
      on('change', (data) => this.#take([JSON.parse(data)]))
      on('answer', (data) => this.#write(JSON.parse(data)))
      events.addEventListener('error', () => {
        if (isOver) return
        this.connection = 'lost'
        // The browser tries again by itself, unless it was answered with an error.
        const waitMs = backoff.next()
        if (events?.readyState === EventSource.CLOSED) timer = setTimeout(again, waitMs)
      })
    }
    const again = async () => {
      const answer = await fetch(`${api}?limit=1`).catch(() => undefined)
      if (isOver) return
      if (answer?.status === 401) this.onSignedOut()
      else open()
    }
    // The browser knows first: a connection that seems alive may be none, and hears of it late.
    const onOffline = () => {
      this.connection = 'lost'
    }
    open()
    addEventListener('online', open)
    addEventListener('offline', onOffline)
    return () => {
      isOver = true
      clearTimeout(timer)
      events?.close()
      this.connection = 'connecting'
      removeEventListener('online', open)
      removeEventListener('offline', onOffline)
    }
  }

  async loadOlder(): Promise<void> {
    if (this.#before === undefined || this.older === 'loading') return
    this.older = 'loading'
    try {
      const answer = await fetch(`${api}?before=${this.#before}&limit=${olderAtOnce}`)
      if (!answer.ok) throw new Error(String(answer.status))
      const page = (await answer.json()) as Page
      this.#take(page.messages)
      this.#before = page.nextBefore
      this.older = 'idle'
    } catch {
      this.older = 'failed'
    }
  }

  async stop(): Promise<boolean> {
    const answer = await fetch(`${api}/stop`, { method: 'POST' }).catch(() => undefined)
    return answer?.ok === true
  }

  /** Resolves with what went wrong, in words. */
  async choose(questionId: string, option: string): Promise<string | undefined> {
    const answer = await fetch(`/api/v1/questions/${questionId}/answer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ option }),
    }).catch(() => undefined)
    if (answer?.ok) return undefined
    const problem = (await answer?.json().catch(() => undefined)) as { detail?: string } | undefined
    return problem?.detail ?? 'That could not be sent. Please try again.'
  }

  send(draft: Pick<Draft, 'text' | 'files'>): void {
    this.outbox.add(draft)
  }

  #take(messages: Message[]): void {
    for (const message of messages) {
      this.#messages.set(message.id, message)
      if (message.key !== undefined) this.outbox.arrived(message.key)
    }
  }

  #write({ turnId, offset, text }: { turnId: string; offset: number; text: string }): void {
    const before = this.#answer?.turnId === turnId ? this.#answer.text : ''
    this.#answer = { turnId, text: before.slice(0, offset) + text }
  }
}
