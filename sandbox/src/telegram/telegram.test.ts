import { Bot, GrammyError } from 'grammy'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Sandbox, startSandbox } from '../index.ts'
import { get, post, receiver } from '../test-support.ts'
import type { BotEvent } from './chats.ts'

let sandbox: Sandbox
let bot: Bot
const ada = 1001

beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  bot = new Bot('4242:any-token', { client: { apiRoot: `${sandbox.url}/telegram` } })
})
beforeEach(async () => {
  await post(`${sandbox.url}/sim/reset`, {})
  await bot.api.deleteWebhook({ drop_pending_updates: true })
})
afterAll(() => sandbox.stop())

const seen = () => get<BotEvent[]>(`${sandbox.url}/sim/telegram/${ada}/messages`)
const refusal = (promise: Promise<unknown>) =>
  promise.catch((error: unknown) => error) as Promise<GrammyError>

describe('Bot API', () => {
  test('grammY sends, edits, acts and drafts, and the person sees each in order', async () => {
    expect(await bot.api.getMe()).toMatchObject({ id: 4242, is_bot: true, username: 'yourclaw_bot' })
    await bot.api.setMyCommands([{ command: 'stop', description: 'Stop' }])
    await bot.api.sendChatAction(ada, 'typing')
    const sent = await bot.api.sendMessage(ada, '<b>Hi</b> &lt;Ada&gt;', { parse_mode: 'HTML' })
    expect(sent).toMatchObject({
      text: 'Hi <Ada>',
      entities: [{ type: 'bold', offset: 0, length: 2 }],
      chat: { id: ada, type: 'private' },
    })
    await bot.api.editMessageText(ada, sent.message_id, 'Bye')
    await bot.api.sendMessageDraft(ada, 5, 'Thin')
    const [action, message, edit, draft] = await seen()
    expect(action).toMatchObject({ kind: 'action', text: 'typing' })
    expect(message).toMatchObject({
      id: sent.message_id,
      kind: 'message',
      parseMode: 'HTML',
      plainText: 'Hi <Ada>',
    })
    expect(edit).toMatchObject({ id: sent.message_id, kind: 'edit', text: 'Bye' })
    expect(draft).toMatchObject({ id: 5, kind: 'draft', text: 'Thin' })
  })

  test.each([
    ['<b>open', `can't parse entities: Can't find end tag corresponding to start tag "b"`],
    [
      '<b><i>x</b></i>',
      `can't parse entities: Unmatched end tag at byte offset 7, expected "</i>", found "</b>"`,
    ],
    ['é <h1>x</h1>', `can't parse entities: Unsupported start tag "h1" at byte offset 3`],
    ['x</b>', `can't parse entities: Unexpected end tag at byte offset 1`],
    ['1 < 2', `can't parse entities: Unclosed start tag at byte offset 2`],
    ['<b> </b>', 'message text is empty'],
  ])('refuses %j as Telegram does', async (text, reason) => {
    const error = await refusal(bot.api.sendMessage(ada, text, { parse_mode: 'HTML' }))
    expect(error).toBeInstanceOf(GrammyError)
    expect(error.error_code).toBe(400)
    expect(error.description).toBe(`Bad Request: ${reason}`)
  })

  test('4096 characters count after entity parsing', async () => {
    await bot.api.sendMessage(ada, `<b>${'x'.repeat(4095)}&amp;</b>`, { parse_mode: 'HTML' })
    const error = await refusal(bot.api.sendMessage(ada, 'x'.repeat(4097)))
    expect(error.description).toBe('Bad Request: message is too long')
  })

  test('unknown chats, messages and unchanged edits are refused', async () => {
    expect((await refusal(bot.api.sendMessage(99, 'x'))).description).toBe('Bad Request: chat not found')
    const gone = await refusal(bot.api.editMessageText(ada, 999_999, 'x'))
    expect(gone.description).toBe('Bad Request: message to edit not found')
    const { message_id } = await bot.api.sendMessage(ada, 'same')
    const same = await refusal(bot.api.editMessageText(ada, message_id, 'same'))
    expect(same.description).toMatch(/^Bad Request: message is not modified/)
  })

  test('a fault answers 429 with retry_after as often as asked', async () => {
    await post(`${sandbox.url}/sim/faults`, { provider: 'telegram', status: 429, retryAfter: 7, count: 1 })
    const error = await refusal(bot.api.sendMessage(ada, 'x'))
    expect(error).toMatchObject({ error_code: 429, parameters: { retry_after: 7 } })
    await bot.api.sendMessage(ada, 'x')
  })

  test('a dropped connection is no answer at all', async () => {
    await post(`${sandbox.url}/sim/faults`, { provider: 'telegram', dropRate: 1, count: 1 })
    await expect(fetch(`${sandbox.url}/telegram/bot1:x/getMe`)).rejects.toThrow('fetch failed')
  })

  test('form bodies and unknown methods', async () => {
    const url = `${sandbox.url}/telegram/bot1:x`
    for (const body of [new URLSearchParams(), new FormData()]) {
      body.append('chat_id', String(ada))
      body.append('text', 'form')
      const response = await fetch(`${url}/sendMessage`, { method: 'POST', body })
      expect(await response.json()).toMatchObject({ ok: true, result: { text: 'form' } })
    }
    expect(await post(`${url}/noSuch`, {})).toEqual({ ok: false, error_code: 404, description: 'Not Found' })
  })
})

describe('webhook', () => {
  test('is retried until 2xx, in order within a chat, with the secret', async () => {
    const statuses = [500, 503]
    const hook = await receiver(() => statuses.shift() ?? 200)
    await bot.api.setWebhook(hook.url, { secret_token: 'quiet', allowed_updates: ['message'] })
    for (const text of ['one', 'two']) await post(`${sandbox.url}/sim/telegram/${ada}/messages`, { text })
    await hook.reached(4)
    expect(hook.deliveries.map(({ update }) => update.message.text)).toEqual(['one', 'one', 'one', 'two'])
    expect(hook.deliveries[0]?.headers['x-telegram-bot-api-secret-token']).toBe('quiet')
    expect(await bot.api.getWebhookInfo()).toMatchObject({ url: hook.url, allowed_updates: ['message'] })
    hook.stop()
  })

  test('a failing chat does not hold up another', async () => {
    const hook = await receiver((text) => (text === 'stuck' ? 500 : 200))
    await bot.api.setWebhook(hook.url)
    await post(`${sandbox.url}/sim/telegram/${ada}/messages`, { text: 'stuck' })
    await hook.reached(1)
    await post(`${sandbox.url}/sim/telegram/1002/messages`, { text: 'free' })
    await vi.waitUntil(() => hook.deliveries.some(({ update }) => update.message.text === 'free'))
    const { pending_update_count, last_error_message } = await bot.api.getWebhookInfo()
    expect(pending_update_count).toBeGreaterThanOrEqual(1)
    expect(last_error_message).toBe('Wrong response from the webhook: 500 Internal Server Error')
    hook.stop()
  })

  test('updates wait for a webhook', async () => {
    await post(`${sandbox.url}/sim/telegram/${ada}/messages`, { text: 'early' })
    expect(await bot.api.getWebhookInfo()).toMatchObject({ url: '', pending_update_count: 1 })
    const hook = await receiver()
    await bot.api.setWebhook(hook.url)
    await hook.reached(1)
    hook.stop()
  })

  test.each([
    [{ photo: true }, 'photo'],
    [{ voice: true }, 'voice'],
    [{ document: { name: 'a.pdf', base64: 'JVBERg==' }, caption: 'look' }, 'document'],
  ])('%j can be fetched by the bot', async (input, kind) => {
    const hook = await receiver()
    await bot.api.setWebhook(hook.url)
    await post(`${sandbox.url}/sim/telegram/${ada}/messages`, input)
    await hook.reached(1)
    const message = hook.deliveries[0]?.update.message as unknown as Record<string, unknown>
    const media = message[kind] as { file_id: string } | { file_id: string }[]
    const { file_id } = Array.isArray(media) ? (media[0] ?? { file_id: '' }) : media
    const file = await bot.api.getFile(file_id)
    const response = await fetch(`${sandbox.url}/telegram/file/bot4242:any-token/${file.file_path}`)
    expect((await response.arrayBuffer()).byteLength).toBe(file.file_size)
    hook.stop()
  })
})
