import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { type Database, openDatabase } from '@yourclaw/db'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { plan } from '../../control-plane/src/plan.ts'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

/** What people send beside text, on every channel: it reaches the model or the workspace, or they are told why not. */
let system: System
let ada: Person
let db: Database

beforeAll(async () => {
  system = await startTestSystem({ RATE_LIMIT_PER_MINUTE: '1000', RATE_LIMIT_PER_DAY: '10000' })
  db = openDatabase(system.databaseUrl, 2)
  await system.startHost()
  const [first] = system.people
  if (!first) throw new Error('the sandbox has no people')
  ada = first
  await eventually(async () =>
    expect(await system.heard(ada)).toContain('Your assistant is ready. Say hello!'),
  )
}, 60_000)
afterAll(async () => {
  await db.$disconnect()
  await system.stop()
}, 30_000)
beforeEach(() => system.sandbox('/sim/reset', {}))

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 30 })

const send = (message: object) =>
  system.sandbox(`/sim/telegram/${ada.telegramUserId}/messages`, message) as Promise<{ messageId: number }>
const write = (message: object) => system.write(ada.whatsappAddress, message)
/** All that the person was told since the last reset, on either phone. */
const told = async () => [
  ...(await system.heard(ada)),
  ...(await system.whatsapp(ada.whatsappAddress)).flatMap(({ kind, body }) =>
    kind === 'typing' ? [] : [body],
  ),
]

interface Block {
  type: string
  text?: string
  source?: { media_type: string; data: string }
}
interface Asked {
  path: string
  body: { messages: { role: string; content: string | Block[] }[] }
}
/** The newest message of each request to the chat model since the last reset. */
const asked = async () =>
  ((await system.sandbox('/sim/models/requests')) as Asked[])
    .filter(({ path }) => !path.includes('audio'))
    .map(({ body }) => body.messages.at(-1)?.content ?? '')
const wordsOf = (content: string | Block[]) =>
  typeof content === 'string' ? content : content.map(({ text }) => text ?? '').join('')
const picturesOf = (content: string | Block[]) =>
  typeof content === 'string' ? [] : content.flatMap(({ source }) => source ?? [])
/** Waits until the model was asked so often, and returns its newest question. */
async function question(count = 1) {
  await eventually(async () => expect(await asked()).toHaveLength(count))
  return (await asked()).at(-1) ?? ''
}
/** A file of the assistant's workspace, by the path that the model was told. */
async function fromWorkspace(words: string, index = 0) {
  const named = [...words.matchAll(/inbox\/[A-Za-z0-9._-]+/g)].map(([name]) => name)[index] ?? 'none'
  const [host = ''] = (await readdir(system.hostsDir)).filter((name) => name.startsWith('host-'))
  return readFile(path.join(system.hostsDir, host, 'data', ada.userId, 'workspace', named))
}

/** A PNG whose header promises ten thousand by ten thousand pixels, a few of which are there. */
function hugePicture(): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(10_000, 0)
  header.writeUInt32BE(10_000, 4)
  header.set([8, 0, 0, 0, 0], 8)
  const rows = deflateSync(Buffer.alloc(10_001 * 20))
  const chunk = (type: string, data: Buffer) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const sum = Buffer.alloc(4)
    sum.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, sum])
  }
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

test('M9: a photo from Telegram reaches the model as a picture, with its caption, and the workspace as a file', async () => {
  await send({ photo: true, caption: 'What colour is this?' })
  const content = await question()
  expect(wordsOf(content)).toMatch(
    /^What colour is this\?\n\[Picture, saved as inbox\/[\w.-]+\.png in your workspace\]$/,
  )
  const [picture] = picturesOf(content)
  expect(picture?.media_type).toBe('image/png')
  const bytes = Buffer.from(picture?.data ?? '', 'base64')
  expect(bytes.subarray(1, 4).toString()).toBe('PNG')
  expect((await fromWorkspace(wordsOf(content))).equals(bytes)).toBe(true)
})

test('M9: an album is one turn, and counts as one message', async () => {
  const before = await (await system.api(ada, 'GET', '/usage')).json()
  for (const caption of ['first', undefined, undefined])
    await send({ photo: true, album: 'holiday', ...(caption && { caption }) })
  const content = await question()
  expect(picturesOf(content)).toHaveLength(3)
  expect(await asked()).toHaveLength(1)
  const after = await (await system.api(ada, 'GET', '/usage')).json()
  const inbound = (page: unknown) => (page as { today: { inbound: number } }).today.inbound
  expect(inbound(after) - inbound(before)).toBe(1)
})

test('M9: a voice message is written down for the model, and heard once', async () => {
  await system.sandbox('/sim/models/transcript', { text: 'Remind me to buy milk.' })
  await send({ voice: true })
  const words = wordsOf(await question())
  expect(words).toBe('[Voice message or sound, transcribed:]\nRemind me to buy milk.')
  await write({ voice: true })
  await question(2)
  const all = (await system.sandbox('/sim/models/requests')) as Asked[]
  expect(all.filter(({ path }) => path.endsWith('/audio/transcriptions'))).toHaveLength(2)
  const { messages } = (await (await system.api(ada, 'GET', '/messages?limit=10')).json()) as {
    messages: { attachments?: { transcript: string }[] }[]
  }
  expect(messages.flatMap(({ attachments = [] }) => attachments)).toContainEqual(
    expect.objectContaining({ kind: 'AUDIO', transcript: 'Remind me to buy milk.' }),
  )
})

test('S1: documents lie in the workspace under a plain name, whatever theirs is, on each channel', async () => {
  const base64 = Buffer.from('%PDF-1.7\nhello').toString('base64')
  await send({ document: { name: '../../../.ssh/Größe; $(rm -rf) "x".pdf', base64 } })
  const words = wordsOf(await question())
  expect(words).toMatch(
    /^\[File \(application\/pdf\) "[^\n]+", saved as inbox\/[\w.-]+-Gro-e-rm-rf-x\.pdf in your workspace\]$/,
  )
  expect((await fromWorkspace(words)).toString()).toBe('%PDF-1.7\nhello')
  await write({
    document: { name: 'notes.txt', base64: Buffer.from('my notes').toString('base64') },
    body: 'Read it',
  })
  const second = wordsOf(await question(2))
  expect(second).toContain('Read it\n[File (text/plain) "notes.txt", saved as inbox/')
  expect((await fromWorkspace(second)).toString()).toBe('my notes')
})

test('M9: what is uploaded on the web goes the same way', async () => {
  const uploaded = await fetch(`${system.apiUrl}/api/v1/attachments?name=plan.md`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ada.bearer}`, 'content-type': 'text/markdown' },
    body: '# Plan',
  })
  const { id } = (await uploaded.json()) as { id: string }
  expect((await system.api(ada, 'POST', '/messages', { attachmentIds: [id] })).status).toBe(202)
  const words = wordsOf(await question())
  expect(words).toMatch(/^\[File \(text\/markdown\) "plan\.md", saved as inbox\//)
  expect((await fromWorkspace(words)).toString()).toBe('# Plan')
})

test('M9: places, contacts, stickers, quotes and forwarded words become words', async () => {
  const ask = async (message: object, count: number) => {
    await send(message)
    return wordsOf(await question(count))
  }
  expect(await ask({ location: { latitude: 52.5, longitude: 13.4 } }, 1)).toBe('[Location: 52.5, 13.4]')
  expect(await ask({ contact: { phoneNumber: '+4930', firstName: 'Bo' } }, 2)).toBe('[Contact: Bo, +4930]')
  expect(await ask({ sticker: { emoji: '🎉', animated: true } }, 3)).toBe('[Sticker that moves: 🎉]')
  await send({ sticker: { emoji: '👋' } })
  const still = await question(4)
  expect([wordsOf(still), picturesOf(still).length]).toEqual(['[Sticker: 👋]', 1])
  const { messageId } = await send({ text: 'The train leaves at nine.' })
  await question(5)
  expect(await ask({ text: 'Is that still right?', replyTo: messageId }, 6)).toBe(
    '[The user answers a message of their own: "The train leaves at nine."]\nIs that still right?',
  )
  expect(await ask({ text: '/stop', forwardedFrom: 'Eve' }, 7)).toBe('[Forwarded from Eve:]\n/stop')
})

test('M9: the same on WhatsApp: places, stickers, answers to us, forwarded words', async () => {
  await write({ location: { latitude: 1, longitude: 2, label: 'Home' } })
  expect(wordsOf(await question())).toBe('[Location: 1, 2 (Home)]')
  await write({ sticker: true })
  const sticker = await question(2)
  expect([wordsOf(sticker), picturesOf(sticker).length]).toEqual(['[Sticker]', 1])
  await write({ body: 'Look', forwarded: true })
  expect(wordsOf(await question(3))).toBe('[Forwarded:]\nLook')
  await system.sandbox('/sim/models/script', { reply: 'Nine o’clock.' })
  await write({ body: 'When?' })
  await eventually(async () => expect(await told()).toContain('Nine o’clock.'))
  const find = async () =>
    (await system.whatsapp(ada.whatsappAddress)).findLast(({ body }) => body === 'Nine o’clock.')
  // Its number is known to us by then.
  await eventually(async () => expect((await find())?.status).toBe('read'))
  const answer = await find()
  await write({ body: 'Really?', replyTo: answer?.sid })
  expect(wordsOf(await question(5))).toBe('[The user answers your message: "Nine o’clock."]\nReally?')
})

test('M9: a video and a contact of WhatsApp’s are files of the workspace, as what they are', async () => {
  await send({ video: true, caption: 'Watch' })
  const video = wordsOf(await question())
  expect(video).toMatch(/^Watch\n\[Video, saved as inbox\/[\w.-]+\.mp4 in your workspace\]$/)
  const card = 'BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Bo\r\nTEL:+4930\r\nEND:VCARD\r\n'
  await write({ mediaUrl: `data:text/vcard;base64,${Buffer.from(card).toString('base64')}` })
  const contact = wordsOf(await question(2))
  expect(contact).toMatch(/^\[File \(text\/vcard\), saved as inbox\/[\w.-]+\.vcf in your workspace\]$/)
  expect((await fromWorkspace(contact)).toString()).toBe(card)
})

test('M9: an edit replaces what nobody took yet; a later one is told to the model', async () => {
  await system.sandbox('/sim/models/script', { match: 'slow', reply: 'done', delayMs: 1_500 })
  await send({ text: 'slow' })
  await question()
  const { messageId } = await send({ text: 'Meet at nine' })
  await system.sandbox(`/sim/telegram/${ada.telegramUserId}/edits`, { messageId, text: 'Meet at ten' })
  expect(wordsOf(await question(2))).toBe('Meet at ten')
  await eventually(async () => expect(await told()).toContain('Meet at ten'))
  await system.sandbox(`/sim/telegram/${ada.telegramUserId}/edits`, { messageId, text: 'Meet at eleven' })
  expect(wordsOf(await question(3))).toBe(
    '[The user changed an earlier message: "Meet at ten". It now says:]\nMeet at eleven',
  )
})

test('M9: a reaction is told with the next message, and has no turn of its own', async () => {
  await send({ text: 'Tell me a joke' })
  await eventually(async () => expect(await told()).toContain('Tell me a joke'))
  await eventually(async () => {
    const { messages } = (await (await system.api(ada, 'GET', '/messages?limit=1')).json()) as {
      messages: { state: string }[]
    }
    expect(messages[0]?.state).toBe('SENT')
  })
  const events = (await system.sandbox(`/sim/telegram/${ada.telegramUserId}/messages`)) as {
    id: number
    kind: string
  }[]
  const messageId = events.findLast(({ kind }) => kind === 'message')?.id
  const react = (emoji: string) =>
    system.sandbox(`/sim/telegram/${ada.telegramUserId}/reactions`, { messageId, emoji })
  for (const emoji of ['👎', '', '😂']) await react(emoji)
  await send({ text: 'Another one' })
  expect(wordsOf(await question(2))).toBe(
    '[The user reacted with 😂 to your message: "Tell me a joke"]\nAnother one',
  )
  await send({ text: 'And one more' })
  expect(wordsOf(await question(3))).toBe('And one more')
})

test('M9: too large, too many pixels, no picture at all and a file that lies: bounded and said, and nothing stops', async () => {
  const large = Buffer.alloc(25_000_000, 1).toString('base64')
  await send({ document: { name: 'film.bin', base64: large } })
  await eventually(async () =>
    expect(await told()).toContain('I could not take your file “film.bin”: it is larger than 20 MB.'),
  )
  expect(await asked()).toEqual([])
  await write({ document: { name: 'film.bin', base64: large }, body: 'And this?' })
  expect(wordsOf(await question())).toContain('did not arrive: it is larger than 20 MB. The user was told.]')
  await eventually(async () =>
    expect(await told()).toContainEqual(expect.stringContaining('larger than 20 MB')),
  )
  await send({ photo: hugePicture().toString('base64') })
  const huge = await question(2)
  expect([picturesOf(huge).length, wordsOf(huge)]).toEqual([0, expect.stringContaining('50 megapixels')])
  await eventually(async () =>
    expect(await told()).toContain('I could not take your picture: it has more than 50 megapixels.'),
  )
  await send({ photo: Buffer.from('\u0089PNG, or so it says', 'latin1').toString('base64') })
  expect(picturesOf(await question(3))).toEqual([])
  await send({
    document: { name: 'holiday.png', base64: Buffer.from('MZ\u0000 a program').toString('base64') },
  })
  const lie = await question(4)
  expect([picturesOf(lie).length, wordsOf(lie)]).toEqual([
    0,
    expect.stringMatching(/^\[File \(application\//),
  ])
})

test('S2: media is fetched from its provider alone, wherever its address leads', async () => {
  const asked: string[] = []
  const inside = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end('secret')
  })
  await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(inside.address() as AddressInfo).port}/metadata`
    await system.sandbox('/sim/whatsapp/media-redirect', { url })
    await write({ photo: true, body: 'Look' })
    expect(wordsOf(await question())).toContain(
      'did not arrive: it could not be fetched. The user was told.]',
    )
    await eventually(async () =>
      expect(await told()).toContain('I could not take your picture: it could not be fetched.'),
    )
    expect(asked).toEqual([])
  } finally {
    inside.close()
  }
})

test('M9: archives are handed on and never unpacked, however much is in them', async () => {
  // A quarter of a megabyte that unpacks to a quarter of a gigabyte, as a ZIP would have it.
  const bomb = Buffer.concat([
    Buffer.from('PK\x03\x04\x14\0\0\0\x08\0'),
    deflateSync(Buffer.alloc(2 ** 28)),
    Buffer.alloc(22),
  ])
  await send({ document: { name: 'bomb.zip', base64: bomb.toString('base64') } })
  const words = wordsOf(await question())
  expect(words).toMatch(/^\[File \(application\/zip\) "bomb\.zip", saved as inbox\//)
  expect((await fromWorkspace(words)).equals(bomb)).toBe(true)
})

test('M11: /stop ends the work on files that nobody has taken yet, and the next message is answered', async () => {
  await system.sandbox('/sim/faults', { provider: 'openai', delayMs: 60_000, count: 1 })
  await send({ voice: true })
  await eventually(async () =>
    expect(await attachment()).toMatchObject({ state: 'STORED', transcript: null }),
  )
  await send({ text: '/stop' })
  await eventually(async () => expect(await told()).toContain('Stopped.'))
  await send({ text: 'And now this' })
  expect(wordsOf(await question())).toBe('And now this')
})

/** The newest of the person's. */
const attachment = () =>
  db.attachment.findFirst({ where: { userId: ada.userId }, orderBy: { createdAt: 'desc' } })

test('M9, M14: over the day’s files a person is told once, on the channel they used, and the model each time', async () => {
  await send({ document: { name: 'small.txt', base64: Buffer.from('small').toString('base64') } })
  await question()
  const { userId } = ada
  const where = { userId }
  const before = await db.usageDaily.findFirstOrThrow({ where, orderBy: { date: 'desc' } })
  const day = { userId_date: { userId, date: before.date } }
  const inboundBytes = BigInt(plan.fileMegabytesInPerDay * 2 ** 20 - 1)
  await db.usageDaily.update({
    where: day,
    data: { inboundBytes, heardSeconds: plan.listenedMinutesPerDay * 60 },
  })
  try {
    const over = /did not arrive: it was more than what can be sent in a day\. The user was told\.\]$/
    await send({ document: { name: 'a.txt', base64: Buffer.from('more').toString('base64') } })
    expect(wordsOf(await question(2))).toMatch(over)
    await write({ photo: true, body: 'Look' })
    expect(wordsOf(await question(3))).toMatch(over)
    const limits = async () => (await told()).filter((text) => text.startsWith('You have sent 500 MB'))
    await eventually(async () => expect(await limits()).toHaveLength(1))
    // Bytes are there again, and no minutes: what is said is kept, and not listened to.
    await db.usageDaily.update({ where: day, data: { inboundBytes: 0n } })
    await send({ voice: true })
    expect(wordsOf(await question(4))).toMatch(
      /saved as inbox\/[\w.-]+.* in your workspace; no more sound is listened to today/,
    )
    await eventually(async () =>
      expect(await told()).toContainEqual(expect.stringMatching(/^I have listened to 30 minutes/)),
    )
    expect(await limits()).toHaveLength(1)
  } finally {
    await db.usageDaily.update({ where: day, data: { inboundBytes: 0n, heardSeconds: 0 } })
  }
})

test('M12: what our side sends on WhatsApp is fetched by Twilio from a link of ours', async () => {
  // The senders and their limits are proved beside them; here it is the address that an outside can reach.
  const uploaded = await fetch(`${system.apiUrl}/api/v1/attachments?name=a.png`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ada.bearer}` },
    body: 'x',
  })
  const { url } = (await uploaded.json()) as { url: string }
  const fetched = await fetch(`${system.apiUrl}${url}`)
  expect([fetched.status, await fetched.text()]).toEqual([200, 'x'])
})
