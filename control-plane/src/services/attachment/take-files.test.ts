import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { samplePhoto, sampleVoice } from '../../../../sandbox/src/samples.ts'
import { openTestApp, type TestApp } from '../../testing/open-app.ts'
import { createPerson } from '../conversation/fixtures.ts'
import { receiveMessage } from '../conversation/receive-message.ts'
import type { IncomingFile } from './incoming.ts'
import { maxFiles, maxTurnFiles } from './limits.ts'
import { type FileSources, SourceError } from './sources.ts'
import { takeFiles } from './take-files.ts'
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
  const sent = files.map((file) => ({ ...file, source: { at: 'telegram' as const, fileId: 'f' } }))
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
  const take = (sources: FileSources, transcribe?: Transcribe) => {
    const input = { turnId: turn.id, signal: AbortSignal.timeout(20_000) }
    return takeFiles({ ...world.deps, sources, transcribe, input })
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
  return { take, rows, told }
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
  const source = sourceOf(sampleVoice(), samplePhoto())
  let heard = 0
  const transcribe: Transcribe = async () => `heard ${++heard}`
  const first = await turn.take(source, transcribe)
  const again = await turn.take(sourceOf(new Error('nobody asks')), transcribe)
  expect([source.asked, heard]).toEqual([2, 1])
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
