import { once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { samplePhoto, sampleVoice } from '../../../../sandbox/src/samples.ts'
import { dayMs, plan } from '../../plan.ts'
import { openTestApp, type TestApp } from '../../testing/open-app.ts'
import { createPerson } from '../conversation/fixtures.ts'
import { receiveMessage } from '../conversation/receive-message.ts'
import { storedAttachment } from './attachment.ts'
import type { IncomingFile } from './incoming.ts'
import { fileLimits, maxFiles, maxTurnFiles } from './limits.ts'
import { type FileSources, SourceError } from './sources.ts'
import { type TakeDeps, takeFiles } from './take-files.ts'
import { type Transcribe, TranscriptionError } from './transcribe.ts'

let world: TestApp
beforeAll(async () => {
  world = await openTestApp()
})
afterAll(() => world.close())

/** A running turn whose messages, as few as can be, have these files. */
async function turnWith(...files: Pick<IncomingFile, 'kind' | 'name' | 'mimeType'>[]) {
  const { db, ctx } = world.deps
  const person = await createPerson(db)
  const sent = files.map((file) => ({ ...file, source: { at: 'telegram' as const, fileId: file.kind } }))
  for (let next = 0; next < sent.length; next += maxFiles)
    await receiveMessage({
      ctx,
      input: {
        channel: 'TELEGRAM',
        address: person.address,
        providerMessageId: crypto.randomUUID(),
        body: '',
        files: sent.slice(next, next + maxFiles),
      },
    })
  const turn = await db.turn.findFirstOrThrow({ where: { assistant: { userId: person.userId } } })
  await db.message.updateMany({ where: { userId: person.userId }, data: { turnId: turn.id } })
  const take = (sources: FileSources, transcribe?: Transcribe, more: Partial<TakeDeps> = {}) => {
    const input = { turnId: turn.id, signal: AbortSignal.timeout(20_000) }
    return takeFiles({ ...world.deps, sources, transcribe, ...more, input })
  }
  const rows = () =>
    db.attachment.findMany({
      where: { userId: person.userId },
      orderBy: [{ message: { seq: 'asc' } }, { position: 'asc' }],
    })
  const told = async () => {
    const where = { userId: person.userId, code: 'file_not_taken' }
    return (await db.message.findMany({ where })).map(({ body }) => body)
  }
  /** So much is left of the person's day. */
  const leave = async (left: { bytes?: number; seconds?: number }) => {
    const date = new Date(new Date(ctx.clock.now()).toISOString().slice(0, 10))
    const inboundBytes = plan.fileMegabytesInPerDay * 2 ** 20 - (left.bytes ?? 0)
    const heardSeconds = plan.listenedMinutesPerDay * 60 - (left.seconds ?? 0)
    const used = {
      ...(left.bytes !== undefined && { inboundBytes }),
      ...(left.seconds !== undefined && { heardSeconds }),
    }
    const where = { userId_date: { userId: person.userId, date } }
    await db.usageDaily.upsert({ where, create: { userId: person.userId, date, ...used }, update: used })
  }
  const day = () => db.usageDaily.findFirstOrThrow({ where: { userId: person.userId } })
  return { take, rows, told, leave, day }
}

/** Gives one answer after the other, and counts how often it was asked. */
function sourceOf(...answers: (Buffer | Error)[]) {
  const source = {
    asked: 0,
    open: async () => {
      const answer = answers[Math.min(source.asked, answers.length - 1)] ?? Buffer.alloc(0)
      source.asked += 1
      if (answer instanceof Error) throw answer
      return Readable.from([answer])
    },
  }
  return source
}

test('M9: a file is fetched and listened to once, however often its turn is attempted', async () => {
  const turn = await turnWith(
    { kind: 'AUDIO', name: '', mimeType: 'audio/ogg' },
    { kind: 'IMAGE', name: '', mimeType: 'image/jpeg' },
  )
  const opened: string[] = []
  const source: FileSources = {
    async open(file) {
      const kind = file.at === 'telegram' ? file.fileId : ''
      opened.push(kind)
      return Readable.from([kind === 'AUDIO' ? sampleVoice() : samplePhoto()])
    },
  }
  let heard = 0
  const transcribe: Transcribe = async () => ({ text: `heard ${++heard}` })
  const first = await turn.take(source, transcribe)
  const again = await turn.take(sourceOf(new Error('nobody asks')), transcribe)
  expect(opened.toSorted()).toEqual(['AUDIO', 'IMAGE'])
  expect(heard).toBe(1)
  const shapeOf = (files: typeof first) => files.map(({ path, mimeType }) => [path !== '', mimeType])
  expect(shapeOf(first)).toEqual([
    [false, 'image/png'],
    [true, 'image/png'],
  ])
  expect(shapeOf(again)).toEqual(shapeOf(first))
  const [shown] = again
  expect((await buffer((await shown?.open()) ?? Readable.from([]))).equals(samplePhoto())).toBe(true)
  expect(await turn.rows()).toMatchObject([{ transcript: 'heard 1' }, { state: 'STORED' }])
  expect(await turn.told()).toEqual([])
})

test('M9: two replicas that fetch the same file at once leave one that can be read', async () => {
  const turn = await turnWith({ kind: 'DOCUMENT', name: 'a.txt', mimeType: 'text/plain' })
  const source = sourceOf(Buffer.from('the same'))
  const both = await Promise.all([turn.take(source), turn.take(source)])
  for (const [file] of both)
    expect((await buffer((await file?.open()) ?? Readable.from([]))).toString()).toBe('the same')
})

test('M11: a file that is refused while it comes is not left behind', async () => {
  const turn = await turnWith({ kind: 'DOCUMENT', name: 'a.txt', mimeType: 'text/plain' })
  const [row] = await turn.rows()
  const { db, store } = world.deps
  const open = async () => {
    await db.attachment.update({
      where: { id: row?.id ?? '' },
      data: { state: 'EXPIRED', keyEncrypted: null },
    })
    return Readable.from([Buffer.from('here')])
  }
  expect(await turn.take({ open })).toEqual([])
  expect(await turn.rows()).toMatchObject([{ state: 'EXPIRED' }])
  expect(await store.list('attachments/')).not.toContain(storedAttachment(row?.id ?? ''))
})

test('M9: what passes is waited for, what does not is told once, and nothing fails the turn', async () => {
  const passing = await turnWith({ kind: 'DOCUMENT', name: 'a.txt', mimeType: 'text/plain' })
  const late = sourceOf(new SourceError('file_unavailable', { isPassing: true }), Buffer.from('here'))
  expect(await passing.take(late)).toHaveLength(1)
  const gone = await turnWith({ kind: 'DOCUMENT', name: 'a.txt', mimeType: 'text/plain' })
  for (const _ of ['once', 'again'])
    expect(await gone.take(sourceOf(new SourceError('file_unavailable')))).toEqual([])
  expect(await gone.told()).toEqual(['I could not take your file “a.txt”: it could not be fetched.'])
  const mumbled = await turnWith({ kind: 'AUDIO', name: '', mimeType: 'audio/ogg' })
  const deaf: Transcribe = () => Promise.reject(new TranscriptionError('not_heard'))
  // Nobody heard it: the assistant has the sound itself.
  expect(await mumbled.take(sourceOf(sampleVoice()), deaf)).toHaveLength(1)
  expect(await mumbled.told()).toEqual([
    'I could not take your voice message: nothing in it could be understood.',
  ])
})

test('F8, M9: a turn takes so many files, and the person is told once of the others', async () => {
  const file = { kind: 'DOCUMENT', name: 'a.txt', mimeType: 'text/plain' } as const
  const turn = await turnWith(...Array.from({ length: maxTurnFiles + 3 }, () => file))
  const source = sourceOf(Buffer.from('here'))
  for (const _ of ['once', 'again']) expect(await turn.take(source)).toHaveLength(maxTurnFiles)
  expect(source.asked).toBe(maxTurnFiles)
  expect((await turn.rows()).slice(maxTurnFiles).map(({ code }) => code)).toEqual(
    Array.from({ length: 3 }, () => 'too_many_files'),
  )
  expect(await turn.told()).toEqual([expect.stringContaining('I took the first 20')])
})

const text = { kind: 'DOCUMENT', name: 'a.txt', mimeType: 'text/plain' } as const
const note = { kind: 'AUDIO', name: '', mimeType: 'audio/ogg' } as const
const heard: Transcribe = async () => ({ text: 'words' })

test('M9, M14: what a person sends has its amount a day, whatever is fetched at once; over it they are told once', async () => {
  const turn = await turnWith(text, text, text, text)
  await turn.leave({ bytes: 25 })
  const files = await turn.take(sourceOf(Buffer.alloc(10, 'a')))
  // The size is not known before: near the day's end one is fetched after the other, and each that has room is taken.
  expect(files).toHaveLength(2)
  const over = (await turn.rows()).filter(({ state }) => state === 'FAILED')
  expect(over.map(({ code }) => code)).toEqual(over.map(() => 'files_day_limit'))
  expect(over).toHaveLength(4 - files.length)
  expect(await turn.told()).toEqual([
    expect.stringMatching(/^You have sent 500 MB of files today.*in \d+ (hour|minute|second)s?/),
  ])
  // Nothing is asked for any more, and the next attempt says nothing again.
  await turn.leave({ bytes: 0 })
  const source = sourceOf(Buffer.alloc(10, 'a'))
  expect(await turn.take(source)).toHaveLength(files.length)
  expect(source.asked).toBe(0)
  expect(await turn.told()).toHaveLength(1)
  // Nor does one of the next day.
  const tomorrow = { ...world.deps.ctx, clock: { now: () => Date.now() + dayMs } }
  await turn.take(source, undefined, { ctx: tomorrow })
  expect(await turn.told()).toHaveLength(1)
})

test('M9, M14: what others hold of the day until their size is known refuses no file that has room after them', async () => {
  const turn = await turnWith(...Array.from({ length: 6 }, () => text))
  await turn.leave({ bytes: 2 * fileLimits.inbound + 10 })
  const files = await turn.take(sourceOf(Buffer.alloc(100, 'a')))
  expect(files).toHaveLength(6)
  expect(await turn.told()).toEqual([])
})

test('F8, M9: files that hang keep neither the others nor the turn, and are told', async () => {
  const turn = await turnWith(...Array.from({ length: 12 }, () => text))
  let asked = 0
  const sources: FileSources = {
    open: async (_, signal) => {
      asked += 1
      if (asked > 10) return Readable.from([Buffer.from('fine')])
      // Every other one is opened, says something, and falls silent.
      if (asked % 2) return Readable.from(silentAfter('a', signal))
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
  }
  const patience = { silenceMs: 100, fileMs: 60_000, turnMs: 60_000 }
  expect(await turn.take(sources, undefined, { patience })).toHaveLength(2)
  expect(asked).toBe(12)
  const codes = (await turn.rows()).map(({ code }) => code)
  expect(codes.filter((code) => code === 'file_unavailable')).toHaveLength(10)
  expect(await turn.told()).toHaveLength(10)
})

test('F8, M9: what a turn’s files may take together ends, however slowly each of them comes', async () => {
  const turn = await turnWith(...Array.from({ length: 6 }, () => text))
  const sources: FileSources = { open: async (_, signal) => Readable.from(dripping(signal)) }
  const patience = { silenceMs: 10_000, fileMs: 60_000, turnMs: 300 }
  expect(await turn.take(sources, undefined, { patience })).toEqual([])
  expect((await turn.rows()).map(({ state, code }) => [state, code])).toEqual(
    Array.from({ length: 6 }, () => ['FAILED', 'file_unavailable']),
  )
})

test('F8, M9: a file that drips keeps no other waiting', async () => {
  const turn = await turnWith(text, text)
  let asked = 0
  const sources: FileSources = {
    async open(_, signal) {
      asked += 1
      return Readable.from(asked === 1 ? dripping(signal) : [Buffer.from('a')])
    },
  }
  const patience = { silenceMs: 10_000, fileMs: 300, turnMs: 60_000 }
  expect(await turn.take(sources, undefined, { patience })).toHaveLength(1)
  expect((await turn.rows()).map(({ code }) => code).sort()).toEqual(['file_unavailable', null])
})

test('F8, M9: whoever listens is not waited for longer, whether it hangs or is busy', async () => {
  const turn = await turnWith(...Array.from({ length: 6 }, () => note))
  let asked = 0
  const transcribe: Transcribe = async ({ signal }) => {
    asked += 1
    if (asked === 1) throw new TranscriptionError('transcription_failed', { isPassing: true })
    await once(signal, 'abort')
    throw new TranscriptionError('transcription_failed', { mayCost: true })
  }
  // Fetched before, so that it is the listening that takes the time.
  const voices = sourceOf(sampleVoice())
  expect(await turn.take(voices)).toHaveLength(6)
  const patience = { silenceMs: 10_000, fileMs: 60_000, turnMs: 2_000 }
  expect(await turn.take(voices, transcribe, { patience })).toHaveLength(6)
  expect((await turn.rows()).map(({ code }) => code)).toEqual(Array(6).fill('transcription_failed'))
  // Four at once, one of them twice: of what came too late nobody was asked.
  expect(asked).toBeLessThanOrEqual(5)
})

async function* silentAfter(word: string, signal: AbortSignal) {
  yield Buffer.from(word)
  await once(signal, 'abort')
  throw signal.reason
}

async function* dripping(signal: AbortSignal) {
  for (;;) {
    signal.throwIfAborted()
    yield Buffer.from('a')
    await pause(5)
  }
}

test('M14: what came counts, also of a file that was not taken, and the rest of what was held back is given back', async () => {
  const turn = await turnWith(text)
  await turn.take(sourceOf(Buffer.alloc(21 * 2 ** 20)))
  expect(await turn.rows()).toMatchObject([{ state: 'FAILED', code: 'file_too_large' }])
  expect(await turn.day()).toMatchObject({ inboundBytes: BigInt(21 * 2 ** 20) })
  const small = await turnWith(text)
  await small.take(sourceOf(Buffer.alloc(10, 'a')))
  expect(await small.day()).toMatchObject({ inboundBytes: 10n })
})

test('M9, M14: so many minutes a day are listened to, by what the sound itself holds; then they are told once to write', async () => {
  const turn = await turnWith(note, note, note)
  await turn.leave({ seconds: 2 })
  let asked = 0
  const transcribe: Transcribe = async () => ({ text: `words ${++asked}` })
  // Those that are not heard lie in the workspace all the same.
  expect(await turn.take(sourceOf(sampleVoice()), transcribe)).toHaveLength(1)
  expect(asked).toBe(2)
  expect((await turn.rows()).filter(({ code }) => code === 'listening_day_limit')).toHaveLength(1)
  expect(await turn.day()).toMatchObject({ heardSeconds: plan.listenedMinutesPerDay * 60 })
  expect(await turn.told()).toEqual([expect.stringMatching(/^I have listened to 30 minutes/)])
})

test('M14: nothing counts as heard that nobody listened to, and what was longer than it looked counts whole', async () => {
  const refused = await turnWith(note)
  const deaf: Transcribe = () => Promise.reject(new TranscriptionError('not_heard'))
  await refused.take(sourceOf(sampleVoice()), deaf)
  expect(await refused.day()).toMatchObject({ heardSeconds: 0 })
  const late = await turnWith(note)
  const lost: Transcribe = () =>
    Promise.reject(new TranscriptionError('transcription_failed', { mayCost: true }))
  await late.take(sourceOf(sampleVoice()), lost)
  expect(await late.day()).toMatchObject({ heardSeconds: 1 })
  // One that may have cost is not tried again, so that no refusal hides it.
  const lostFirst = await turnWith(note)
  let asked = 0
  const lostThenBusy: Transcribe = () => {
    asked += 1
    return Promise.reject(
      new TranscriptionError('transcription_failed', { isPassing: true, mayCost: asked === 1 }),
    )
  }
  await lostFirst.take(sourceOf(sampleVoice()), lostThenBusy)
  expect(await lostFirst.day()).toMatchObject({ heardSeconds: 1 })
  expect(asked).toBe(1)
  const longer = await turnWith(note)
  await longer.take(sourceOf(sampleVoice()), async () => ({ text: 'on and on', seconds: 700.5 }))
  expect(await longer.day()).toMatchObject({ heardSeconds: 701 })
})

test('M9: a sound that is longer than a day’s minutes is not listened to, however small it is', async () => {
  const turn = await turnWith(note)
  const [opus, tags, silence] = sampleVoice()
    .toString('latin1')
    .split(/(?=OggS)/)
  const long = Buffer.from(`${opus}${tags}${silence?.repeat(1_801)}`, 'latin1')
  await turn.take(sourceOf(long), heard)
  expect(await turn.rows()).toMatchObject([{ state: 'STORED', code: 'sound_too_long', transcript: null }])
  expect(await turn.told()).toEqual([expect.stringContaining('too long to be listened to')])
})
