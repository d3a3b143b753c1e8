import { Agent, request } from 'node:http'
import { startSandbox } from '@yourclaw/sandbox'
import { monotonicMs } from './figures.ts'

export const webhookSecret = 'bench-webhook-secret'

/** Times of one message, on the shared clock. */
export interface Asked {
  sentAtMs: number
  /** The webhook's 2xx. */
  ackedAtMs: number
  /** The first message or edit of the bot in that chat that is what was expected. */
  repliedAtMs: number
  reply: string
}

/** Telegram and the people on it, in this process: updates go out of it and sent messages arrive in it. */
export interface Phone {
  /** Bot API root. */
  apiRoot: string
  url: string
  /** Sends `text` to a webhook as that person's update, and waits for what the bot sends into the chat. */
  ask(webhookUrl: string, telegramUserId: number, text: string, expected?: RegExp): Promise<Asked>
  /** Resolves with when that person next sees words of an answer that is still being written. */
  preview(telegramUserId: number): Promise<number>
  /** Resolves when the bot said `text` to everybody of `people`. */
  heard(people: readonly number[], text: RegExp): Promise<void>
  /** How often an update had to be sent again because its webhook did not take it, as Telegram does. */
  sentAgain(): number
  register(count: number): Promise<number[]>
  stop(): Promise<void>
}

/** A reply that takes longer is lost. */
const replyDeadlineMs = 60_000

export async function startPhone(): Promise<Phone> {
  const waiting = new Map<number, { expected: RegExp; resolve: (reply: string) => void }>()
  const previewing = new Map<number, (atMs: number) => void>()
  const said = new Map<number, string[]>()
  const sandbox = await startSandbox({
    port: 0,
    onBotEvent(telegramUserId, { kind, text }) {
      if (kind === 'draft' && text !== '') {
        previewing.get(telegramUserId)?.(monotonicMs())
        previewing.delete(telegramUserId)
      }
      if (kind !== 'message' && kind !== 'edit') return
      const one = waiting.get(telegramUserId)
      if (one?.expected.test(text)) {
        waiting.delete(telegramUserId)
        one.resolve(text)
      } else if (!one) said.set(telegramUserId, [...(said.get(telegramUserId) ?? []), text])
    },
  })
  const agent = new Agent({ keepAlive: true })
  let updateId = Date.now()
  let again = 0

  function post(url: string, body: string): Promise<void> {
    const headers = {
      'content-type': 'application/json',
      'x-telegram-bot-api-secret-token': webhookSecret,
      'content-length': Buffer.byteLength(body),
    }
    return new Promise((resolve, reject) => {
      const call = request(url, { method: 'POST', agent, headers }, (response) => {
        response.resume().once('end', () => {
          if (response.statusCode === 200) resolve()
          else reject(new Error(`the webhook answered ${response.statusCode}`))
        })
      })
      call.once('error', reject)
      call.end(body)
    })
  }

  async function deliver(url: string, body: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await post(url, body)
      } catch (error) {
        if (tries === 5) throw error
        again += 1
      }
    }
  }

  return {
    sentAgain: () => again,
    url: sandbox.url,
    apiRoot: `${sandbox.url}/telegram`,
    async ask(webhookUrl, telegramUserId, text, expected = /./s) {
      updateId += 1
      const from = { id: telegramUserId, is_bot: false, first_name: 'Person', language_code: 'en' }
      const chat = { id: telegramUserId, type: 'private', first_name: 'Person' }
      const date = Math.floor(Date.now() / 1000)
      const message = { message_id: updateId % 1e9, from, chat, date, text }
      const { promise, resolve, reject } = Promise.withResolvers<{ reply: string; atMs: number }>()
      waiting.set(telegramUserId, { expected, resolve: (reply) => resolve({ reply, atMs: monotonicMs() }) })
      const late = setTimeout(() => reject(new Error(`no reply to "${text}"`)), replyDeadlineMs)
      const sentAtMs = monotonicMs()
      const acked = deliver(webhookUrl, JSON.stringify({ update_id: updateId, message })).then(monotonicMs)
      const [ackedAtMs, { reply, atMs }] = await Promise.all([acked, promise])
      clearTimeout(late)
      return { sentAtMs, ackedAtMs, repliedAtMs: atMs, reply }
    },
    preview: (telegramUserId) =>
      new Promise((resolve) => {
        previewing.set(telegramUserId, resolve)
      }),
    async heard(people, text) {
      const deadline = Date.now() + 180_000
      while (!people.every((id) => said.get(id)?.some((line) => text.test(line)))) {
        if (Date.now() > deadline) throw new Error(`not everybody heard ${text}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    async register(count) {
      const people = Array.from({ length: count }, (_, index) => ({
        name: `Bench ${index}`,
        email: `bench-${index}@example.com`,
        telegramUserId: 500_000 + index,
        seeded: true,
      }))
      for (const person of people) {
        await fetch(`${sandbox.url}/sim/people`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(person),
        })
      }
      return people.map(({ telegramUserId }) => telegramUserId)
    },
    async stop() {
      agent.destroy()
      await sandbox.stop()
    },
  }
}
