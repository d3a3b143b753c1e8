import { Bot, GrammyError, InlineKeyboard, InputFile } from 'grammy'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Sandbox, startSandbox } from '../index.ts'
import { samplePhoto } from '../samples.ts'
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

  test('photos and documents are uploaded, shown and bounded', async () => {
    const photo = new InputFile(samplePhoto(), 'sun.png')
    const sent = await bot.api.sendPhoto(ada, photo, { caption: '<b>Sun</b>', parse_mode: 'HTML' })
    expect(sent).toMatchObject({ caption: 'Sun', photo: [{ file_size: samplePhoto().length }] })
    await bot.api.sendDocument(ada, new InputFile(Buffer.from('a,b'), 'table.csv'))
    const [first, second] = await seen()
    expect(first).toMatchObject({
      id: sent.message_id,
      kind: 'media',
      plainText: 'Sun',
      file: { name: 'sun.png' },
    })
    expect(second).toMatchObject({ kind: 'media', file: { name: 'table.csv', sizeBytes: 3 } })
    const bytes = await (await fetch(`${sandbox.url}${second?.file?.url}`)).text()
    expect(bytes).toBe('a,b')
    const lie = await refusal(bot.api.sendPhoto(ada, new InputFile(Buffer.from('no picture'), 'sun.png')))
    expect(lie.description).toBe('Bad Request: IMAGE_PROCESS_FAILED')
    const long = { caption: 'x'.repeat(1025) }
    const tooLong = await refusal(bot.api.sendDocument(ada, new InputFile(Buffer.from('x'), 'x'), long))
    expect(tooLong.description).toBe('Bad Request: message caption is too long')
  })

  test('a press on a button reaches the bot, whatever its data, and is answered once', async () => {
    const hook = await receiver()
    await bot.api.setWebhook(hook.url)
    const keyboard = new InlineKeyboard().text('Yes', 'yes').text('No', 'no')
    const { message_id } = await bot.api.sendMessage(ada, 'Sure?', { reply_markup: keyboard })
    expect(await seen()).toMatchObject([
      {
        buttons: [
          [
            { text: 'Yes', data: 'yes' },
            { text: 'No', data: 'no' },
          ],
        ],
      },
    ])
    await post(`${sandbox.url}/sim/telegram/${ada}/buttons`, { messageId: message_id, data: 'yes' })
    await hook.reached(1)
    const query = hook.deliveries[0]?.update.callback_query
    expect(query).toMatchObject({ data: 'yes', from: { id: ada }, message: { message_id, text: 'Sure?' } })
    await bot.api.answerCallbackQuery(query?.id ?? '', { text: 'Done' })
    const again = await refusal(bot.api.answerCallbackQuery(query?.id ?? ''))
    expect(again.description).toMatch(/query is too old/)
    await bot.api.editMessageReplyMarkup(ada, message_id)
    expect((await seen()).map(({ kind }) => kind)).toEqual(['message', 'notice', 'edit'])
    const long = new InlineKeyboard().text('x', 'x'.repeat(65))
    const refused = await refusal(bot.api.sendMessage(ada, 'x', { reply_markup: long }))
    expect(refused.description).toBe('Bad Request: BUTTON_DATA_INVALID')
    hook.stop()
  })

  test('a draft can be stopped, and a webhook may answer with a call', async () => {
    const hook = await receiver()
    await bot.api.setWebhook(hook.url, { allowed_updates: ['stopped_message_generation'] })
    await bot.api.sendMessageDraft(ada, 7, 'Half', { can_stop: true })
    expect(await seen()).toMatchObject([{ id: 7, kind: 'draft', canStop: true }])
    await post(`${sandbox.url}/sim/telegram/${ada}/stops`, { draftId: 7 })
    await hook.reached(1)
    expect(hook.deliveries[0]?.update.stopped_message_generation).toMatchObject({
      draft_id: 7,
      chat: { id: ada },
    })
    hook.stop()
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
    expect(hook.deliveries.map(({ update }) => update.message?.text)).toEqual(['one', 'one', 'one', 'two'])
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
    await vi.waitUntil(() => hook.deliveries.some(({ update }) => update.message?.text === 'free'))
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

  test('edits, reactions, quotes, forwards and the rest arrive as Telegram sends them', async () => {
    const hook = await receiver()
    const said = (input: object) =>
      post(`${sandbox.url}/sim/telegram/${ada}/messages`, input) as Promise<{ messageId: number }>
    await bot.api.setWebhook(hook.url)
    const { messageId } = await said({ text: 'first' })
    await post(`${sandbox.url}/sim/telegram/${ada}/reactions`, { messageId, emoji: '👍' })
    await post(`${sandbox.url}/sim/telegram/${ada}/edits`, { messageId, text: 'second' })
    await said({ text: 'this', replyTo: messageId, forwardedFrom: 'Grace' })
    await said({ location: { latitude: 52.5, longitude: 13.4 } })
    await said({ contact: { phoneNumber: '+15550100', firstName: 'Grace' } })
    await said({ sticker: { emoji: '🌞', animated: true } })
    await hook.reached(6)
    const [, edit, reply, location, contact, sticker] = hook.deliveries.map(({ update }) => update)
    expect(edit?.edited_message).toMatchObject({ message_id: messageId, text: 'second' })
    expect(reply?.message).toMatchObject({
      reply_to_message: { message_id: messageId, text: 'second' },
      forward_origin: { type: 'hidden_user', sender_user_name: 'Grace' },
    })
    expect(location?.message?.location).toEqual({ latitude: 52.5, longitude: 13.4 })
    expect(contact?.message?.contact?.phone_number).toBe('+15550100')
    expect(sticker?.message?.sticker).toMatchObject({ emoji: '🌞', is_animated: true })
    // A reaction is told only to whom asks for it.
    await bot.api.setWebhook(hook.url, { allowed_updates: ['message_reaction'] })
    await post(`${sandbox.url}/sim/telegram/${ada}/reactions`, { messageId, emoji: '👍' })
    await hook.reached(7)
    const reacted = hook.deliveries[6]?.update.message_reaction
    expect(reacted?.new_reaction).toEqual([{ type: 'emoji', emoji: '👍' }])
    expect(await said({ text: 'x', replyTo: 999_999 })).toMatchObject({ code: 'invalid_input' })
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
