import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TurnEvent } from '@yourclaw/proto/host/v1'
import { expect, onTestFinished, test } from 'vitest'
import { openJournal } from './journal.ts'

const done = TurnEvent.create({ body: { $case: 'done', done: { text: 'hi' } } })

function place() {
  const dir = mkdtempSync(join(tmpdir(), 'journal-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'journal.sqlite')
}

test('a result outlives the agent until it is forgotten', async () => {
  const path = place()
  const before = openJournal(path)
  await before.begin('t', 2, 'mark')
  before.finish('t', 2, done)
  before.close()
  const after = openJournal(path)
  expect(after.find('t')).toEqual({ turnId: 't', attempt: 2, result: done })
  expect(after.held()).toEqual([{ turnId: 't', attempt: 2, finished: true }])
  after.forget('t')
  expect(after.held()).toEqual([])
  after.close()
})

test('an attempt that ran when the agent died has failed and may be tried again', async () => {
  const path = place()
  const before = openJournal(path)
  await before.begin('t', 1, 'mark')
  before.close()
  const after = openJournal(path)
  expect(after.find('t')?.result?.body).toMatchObject({
    failed: { cause: { code: 'agent_restarted' }, retryable: true },
  })
  after.close()
})

test('a late result of an older attempt does not touch the newer one', async () => {
  const journal = openJournal(':memory:')
  await Promise.all([journal.begin('t', 1, 'mark'), journal.begin('t', 2, 'mark')])
  journal.finish('t', 1, done)
  expect(journal.find('t')).toEqual({ turnId: 't', attempt: 2 })
  journal.close()
})

test('M15: the mark of a turn is the first one noted, and stays until the turn is forgotten', async () => {
  const path = place()
  const before = openJournal(path)
  expect(before.mark('t')).toBeUndefined()
  await before.begin('t', 1, 'first')
  before.close()
  const after = openJournal(path)
  after.release('t')
  expect(after.held()).toEqual([])
  await after.begin('t', 2, 'second')
  expect(after.mark('t')).toBe('first')
  after.forget('t')
  expect(after.mark('t')).toBeUndefined()
  after.close()
})

test('a turn that is forgotten while it is about to begin leaves nothing behind', async () => {
  const journal = openJournal(':memory:')
  const begun = [journal.begin('kept', 1, 'mark'), journal.begin('gone', 1, 'mark')]
  journal.forget('gone')
  await Promise.all(begun)
  expect(journal.held()).toEqual([{ turnId: 'kept', attempt: 1, finished: false }])
  expect(journal.mark('gone')).toBeUndefined()
  journal.close()
})

test('M15: a turn that is over before its beginning was written has its result, not an interruption', async () => {
  const path = place()
  const before = openJournal(path)
  const begun = before.begin('t', 1, 'mark')
  before.finish('t', 1, done)
  await begun
  expect(before.held()).toEqual([{ turnId: 't', attempt: 1, finished: true }])
  before.close()
  const after = openJournal(path)
  expect(after.find('t')).toEqual({ turnId: 't', attempt: 1, result: done })
  after.close()
})
