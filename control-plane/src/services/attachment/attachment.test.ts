import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { samplePhoto, sampleVoice } from '../../../../sandbox/src/samples.ts'
import { inTransaction } from '../../context.ts'
import { dayMs, plan } from '../../plan.ts'
import { openTestApp, type TestApp } from '../../testing/open-app.ts'
import { receiveMessage } from '../conversation/receive-message.ts'
import { storeOutgoing } from '../conversation/send-notice.ts'
import { stopTurn } from '../conversation/stop-turn.ts'
import { storedAttachment } from './attachment.ts'
import { openFile } from './open-file.ts'
import { storeFile } from './store-file.ts'
import { sweepFiles, sweepLostFiles } from './sweep-files.ts'

let world: TestApp
beforeAll(async () => {
  world = await openTestApp()
})
afterAll(() => world.close())

async function createPerson() {
  const { db } = world.deps
  const person = await world.signUp()
  await db.subscription.create({ data: { userId: person.id, status: 'ACTIVE' } })
  await db.assistant.update({
    where: { userId: person.id },
    data: { status: 'PROVISIONING', desired: 'PRESENT' },
  })
  return person
}

const upload = (bearer: string, bytes: Uint8Array, name = 'a.png', headers: Record<string, string> = {}) =>
  world.app.request(`/api/v1/attachments?${new URLSearchParams({ name })}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'image/png', ...headers },
    body: new Blob([new Uint8Array(bytes)]),
  })
const uploaded = async (bearer: string, bytes: Uint8Array, name?: string) => {
  const response = await upload(bearer, bytes, name)
  expect(response.status).toBe(201)
  return (await response.json()) as { id: string; url: string; mimeType: string; kind: string; name: string }
}

test('M9: a file is uploaded, goes with one message, and comes back whole by its link', async () => {
  const { bearer } = await createPerson()
  const photo = samplePhoto()
  const file = await uploaded(bearer, photo, '../../etc/Holiday\u202egnp.png')
  expect(file).toMatchObject({
    kind: 'IMAGE',
    mimeType: 'image/png',
    name: 'Holidaygnp.png',
    state: 'STORED',
  })
  const sent = { text: '', attachmentIds: [file.id] }
  expect((await world.call('POST', '/messages', { bearer, body: sent })).status).toBe(202)
  const again = await world.call('POST', '/messages', { bearer, body: sent })
  expect([again.status, await again.json()]).toMatchObject([400, { code: 'file_unknown' }])
  const page = await (await world.call('GET', '/messages', { bearer })).json()
  expect(page).toMatchObject({ messages: [{ body: '', attachments: [{ id: file.id, kind: 'IMAGE' }] }] })
  const { url } = (page as { messages: { attachments: [{ url: string }] }[] }).messages[0]
    ?.attachments[0] ?? {
    url: '',
  }
  const response = await world.app.request(url)
  expect(Buffer.from(await response.arrayBuffer()).equals(photo)).toBe(true)
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'image/png',
    'content-disposition': "inline; filename*=UTF-8''Holidaygnp.png",
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
  })
})

test('I9: nobody sends or opens the file of somebody else', async () => {
  const [anna, eve] = [await createPerson(), await createPerson()]
  const [hers, own] = [await uploaded(anna.bearer, samplePhoto()), await uploaded(eve.bearer, samplePhoto())]
  const body = { text: 'mine', attachmentIds: [hers.id] }
  const refused = await world.call('POST', '/messages', { bearer: eve.bearer, body })
  expect([refused.status, await refused.json()]).toMatchObject([400, { code: 'file_unknown' }])
  expect(await world.deps.db.message.count({ where: { userId: eve.id } })).toBe(0)
  const stolen = await world.app.request(hers.url.replace(/token=.*/, own.url.split('?')[1] ?? ''))
  expect([stolen.status, await stolen.json()]).toMatchObject([401, { code: 'link_invalid' }])
})

test('M9: what lies about its type is stored as what it is, and scripts are never shown', async () => {
  const { bearer } = await createPerson()
  const types = async (bytes: Uint8Array, name: string) => {
    const { mimeType, kind, url } = await uploaded(bearer, bytes, name)
    return [mimeType, kind, (await world.app.request(url)).headers.get('content-disposition')?.split(';')[0]]
  }
  const svg = Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')
  expect(await types(svg, 'a.png')).toEqual(['text/plain', 'DOCUMENT', 'attachment'])
  expect(await types(Buffer.from('<html><script></script></html>'), 'a.png')).toEqual([
    'text/plain',
    'DOCUMENT',
    'attachment',
  ])
  expect(await types(Buffer.from('MZ\u0000\u0000'), 'a.png')).toEqual([
    expect.stringMatching(/^application\//),
    'DOCUMENT',
    'attachment',
  ])
  expect(await types(sampleVoice(), 'a.png')).toEqual(['audio/ogg', 'AUDIO', 'inline'])
})

test('O3: too large, empty and too many uploads are refused with their codes, and leave nothing', async () => {
  const { bearer, id: userId } = await createPerson()
  const refused = async (response: Response) => [
    response.status,
    ((await response.json()) as { code: string }).code,
  ]
  const large = new Uint8Array(20 * 1024 * 1024 + 1)
  expect(await refused(await upload(bearer, large))).toEqual([413, 'file_too_large'])
  const announced = await upload(bearer, new Uint8Array(1), 'a', { 'content-length': '900000000' })
  expect(await refused(announced)).toEqual([413, 'file_too_large'])
  expect(await refused(await upload(bearer, new Uint8Array(0)))).toEqual([400, 'file_empty'])
  const names = await world.deps.store.list('attachments/')
  expect(await world.deps.db.attachment.count({ where: { userId } })).toBe(0)
  for (let count = 0; count < 20; count += 1) await uploaded(bearer, samplePhoto())
  expect(await refused(await upload(bearer, samplePhoto()))).toEqual([409, 'too_many_files'])
  expect(await world.deps.store.list('attachments/')).toHaveLength(names.length + 20)
})

/** A message of the assistant's with files, on Telegram or WhatsApp, handed over by the real senders. */
async function sendOut(
  channel: 'TELEGRAM' | 'WHATSAPP',
  text: string,
  files: { name: string; bytes: Buffer }[],
) {
  const { ctx, vault, store, db, senders } = world.deps
  const { id: userId } = await createPerson()
  const number = String(crypto.getRandomValues(new Uint32Array(1))[0])
  const address = channel === 'WHATSAPP' ? `whatsapp:+1555${number}` : number
  const told =
    channel === 'WHATSAPP'
      ? `whatsapp/${encodeURIComponent(address)}/messages`
      : `telegram/${address}/messages`
  await world.sim(told, channel === 'WHATSAPP' ? { body: 'hi' } : { text: 'hi' })
  const attachmentIds: string[] = []
  for (const { name, bytes } of files) {
    const input = {
      userId,
      name,
      mimeType: '',
      bytes: [bytes].values() as unknown as AsyncIterable<Uint8Array>,
    }
    attachmentIds.push((await storeFile({ ctx, vault, store, input })).id)
  }
  const to = { channel, address } as const
  const messageId = await inTransaction(ctx, (tx) =>
    storeOutgoing(tx, ctx, { userId, to, kind: 'CHAT', text, attachmentIds }),
  )
  const parts = await db.delivery.findMany({ where: { messageId }, orderBy: { part: 'asc' } })
  for (const { payload } of parts) await senders[channel]?.send(address, payload as never)
  return (await fetch(`${world.sandboxUrl}/sim/${told}`)).json() as Promise<Record<string, unknown>[]>
}

test('M12: on Telegram files go as photo, voice note and document, few words as caption of one', async () => {
  const photo = { name: 'chart.png', bytes: samplePhoto() }
  const [one] = await sendOut('TELEGRAM', 'A **chart**', [photo])
  expect(one).toMatchObject({
    kind: 'media',
    text: 'A <b>chart</b>',
    parseMode: 'HTML',
    file: { name: 'chart.png', sizeBytes: photo.bytes.length },
    request: { method: 'sendPhoto' },
  })
  const voice = { name: 'hello.ogg', bytes: sampleVoice() }
  const report = { name: 'my report; "final".pdf', bytes: Buffer.from('%PDF-1.7\n') }
  const sent = await sendOut('TELEGRAM', 'Both:', [voice, report])
  expect(sent.map(({ request }) => (request as { method: string }).method)).toEqual([
    'sendMessage',
    'sendVoice',
    'sendDocument',
  ])
  expect(sent[2]).toMatchObject({
    file: { name: "my report; 'final'.pdf", sizeBytes: report.bytes.length },
  })
})

test('M12: a file that is too large for Telegram goes as a link that works for some days', async () => {
  const large = { name: 'film.bin', bytes: Buffer.alloc(50 * 1024 * 1024 + 1, 1) }
  const [message] = await sendOut('TELEGRAM', 'The film', [large])
  expect(message).toMatchObject({ kind: 'message' })
  const url = /https?:\/\/\S+/.exec(String(message?.text))?.[0] ?? ''
  expect(message?.text).toContain('film.bin (52.4 MB): ')
  const response = await world.app.request(new URL(url).pathname + new URL(url).search)
  expect([response.status, response.headers.get('content-length')]).toEqual([
    200,
    String(50 * 1024 * 1024 + 1),
  ])
  await response.body?.cancel()
})

test('M12: on WhatsApp Twilio is given an address of the file that works for hours, not for good', async () => {
  const photo = { name: 'chart.png', bytes: samplePhoto() }
  const zip = { name: 'all.zip', bytes: Buffer.from('PK\x03\x04 and more') }
  const [first] = await sendOut('WHATSAPP', 'A chart', [photo])
  const { request } = first as { request: { body: Record<string, string> } }
  const { MediaUrl: url = '', Body: body } = request.body
  expect(body).toBe('A chart')
  const response = await world.app.request(new URL(url).pathname + new URL(url).search)
  expect(Buffer.from(await response.arrayBuffer()).equals(photo.bytes)).toBe(true)
  const claims = JSON.parse(Buffer.from(url.split('.')[1] ?? '', 'base64url').toString())
  expect(claims.exp - Date.now() / 1000).toBeLessThan(7 * 3_600)
  const [link] = await sendOut('WHATSAPP', '', [zip])
  expect(link?.body).toMatch(/^all\.zip \(\d+ bytes\): http/)
})

test('D1: stored files go when their time is over, uploads that nobody sent within a day, and lost files', async () => {
  const { ctx, db, store, vault } = world.deps
  const { bearer, id: userId } = await createPerson()
  const [kept, unsent] = [await uploaded(bearer, samplePhoto()), await uploaded(bearer, samplePhoto())]
  const body = { text: 'look', attachmentIds: [kept.id] }
  expect((await world.call('POST', '/messages', { bearer, body })).status).toBe(202)
  const stored = async () => (await store.list('attachments/')).filter((name) => name.includes('-'))
  const at = (ms: number) => ({ ...ctx, clock: { now: () => Date.now() + ms } })
  await sweepFiles({ ctx: at(dayMs + 60_000), store })
  expect(await stored()).toContain(storedAttachment(kept.id))
  expect(await stored()).not.toContain(storedAttachment(unsent.id))
  expect(await db.attachment.count({ where: { userId } })).toBe(1)
  const over = at(plan.fileDays * dayMs + 60_000)
  const input = { attachmentId: kept.id }
  await expect(openFile({ ctx: over, vault, store, input })).rejects.toMatchObject({ code: 'file_gone' })
  const { stream } = await openFile({ ctx, vault, store, input })
  expect((await buffer(stream)).equals(samplePhoto())).toBe(true)
  await sweepFiles({ ctx: over, store })
  expect(await stored()).not.toContain(storedAttachment(kept.id))
  expect(await db.attachment.findUnique({ where: { id: kept.id } })).toMatchObject({
    state: 'EXPIRED',
    keyEncrypted: null,
  })
  const lost = await uploaded(bearer, samplePhoto())
  await db.attachment.delete({ where: { id: lost.id } })
  await sweepLostFiles({ ctx, store })
  expect(await stored()).not.toContain(storedAttachment(lost.id))
})

test('M9, M14: uploads have their amount a day, and the refusal says when there is more', async () => {
  const { bearer, id: userId } = await createPerson()
  const date = new Date(new Date().toISOString().slice(0, 10))
  const inboundBytes = BigInt(plan.fileMegabytesInPerDay * 2 ** 20 - 10)
  await world.deps.db.usageDaily.create({ data: { userId, date, inboundBytes } })
  const send = (bytes: Buffer) => upload(bearer, bytes, 'a', { 'content-length': String(bytes.length) })
  const refused = await send(samplePhoto())
  expect([refused.status, await refused.json()]).toMatchObject([
    429,
    { code: 'files_day_limit', detail: expect.stringMatching(/500 MB.*in \d+ (hours|minutes)/) },
  ])
  expect(await world.deps.db.attachment.count({ where: { userId } })).toBe(0)
  expect((await send(Buffer.from('ten bytes!'))).status).toBe(201)
  expect((await send(Buffer.from('.'))).status).toBe(429)
})

test('M1: files of a message that was refused are neither fetched nor kept', async () => {
  const { ctx, db, store } = world.deps
  const { bearer, id: userId } = await createPerson()
  const file = await uploaded(bearer, samplePhoto())
  await db.subscription.updateMany({ where: { userId }, data: { status: 'CANCELED' } })
  const body = { text: 'look', attachmentIds: [file.id] }
  const refused = await world.call('POST', '/messages', { bearer, body })
  expect(await refused.json()).toMatchObject({ code: 'not_entitled' })
  const phone = String(crypto.getRandomValues(new Uint32Array(1))[0])
  await db.userPhone.create({ data: { userId, channel: 'TELEGRAM', address: phone } })
  const source = { at: 'telegram', fileId: 'f' } as const
  const photo = { kind: 'IMAGE', name: '', mimeType: 'image/jpeg', source } as const
  await receiveMessage({
    ctx,
    input: { channel: 'TELEGRAM', address: phone, providerMessageId: phone, body: '', files: [photo] },
  })
  const rows = () => db.attachment.findMany({ where: { userId }, orderBy: { createdAt: 'asc' } })
  expect(await rows()).toMatchObject([
    { state: 'EXPIRED', source: null },
    { state: 'EXPIRED', source: null },
  ])
  expect((await world.app.request(file.url)).status).toBe(404)
  expect(await store.list('attachments/')).toContain(storedAttachment(file.id))
  await sweepFiles({ ctx, store })
  expect(await store.list('attachments/')).not.toContain(storedAttachment(file.id))
  expect(await rows()).toMatchObject([{ keyEncrypted: null }, { keyEncrypted: null }])
})

test('M11: what was not fetched when its turn was stopped is never fetched', async () => {
  const { ctx, db, store } = world.deps
  const { id: userId } = await createPerson()
  const phone = String(crypto.getRandomValues(new Uint32Array(1))[0])
  await db.userPhone.create({ data: { userId, channel: 'TELEGRAM', address: phone } })
  const source = { at: 'telegram', fileId: 'f' } as const
  const files = [{ kind: 'IMAGE', name: '', mimeType: 'image/jpeg', source }] as const
  const input = { channel: 'TELEGRAM', address: phone, body: '', files } as const
  await receiveMessage({ ctx, input: { ...input, providerMessageId: phone } })
  const state = async () => (await db.attachment.findFirstOrThrow({ where: { userId } })).state
  await sweepFiles({ ctx, store })
  expect(await state()).toBe('WAITING')
  await stopTurn({ ctx, input: { userId } })
  await sweepFiles({ ctx, store })
  expect(await state()).toBe('EXPIRED')
})
