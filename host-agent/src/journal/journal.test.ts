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

test('a result outlives the agent until it is forgotten', () => {
  const path = place()
  const before = openJournal(path)
  before.begin('t', 2)
  before.finish('t', 2, done)
  before.close()
  const after = openJournal(path)
  expect(after.find('t')).toEqual({ turnId: 't', attempt: 2, result: done })
  expect(after.held()).toEqual([{ turnId: 't', attempt: 2, finished: true }])
  after.forget('t')
  expect(after.held()).toEqual([])
  after.close()
})

test('an attempt that ran when the agent died has failed and may be tried again', () => {
  const path = place()
  const before = openJournal(path)
  before.begin('t', 1)
  before.close()
  const after = openJournal(path)
  expect(after.find('t')?.result?.body).toMatchObject({
    failed: { cause: { code: 'agent_restarted' }, retryable: true },
  })
  after.close()
})

test('a late result of an older attempt does not touch the newer one', () => {
  const journal = openJournal(':memory:')
  journal.begin('t', 1)
  journal.begin('t', 2)
  journal.finish('t', 1, done)
  expect(journal.find('t')).toEqual({ turnId: 't', attempt: 2 })
  journal.close()
})

test('M15: the mark of a turn is the first one noted, and stays until the turn is forgotten', () => {
  const path = place()
  const before = openJournal(path)
  expect(before.mark('t')).toBeUndefined()
  before.begin('t', 1)
  before.setMark('t', 'first')
  before.close()
  const after = openJournal(path)
  after.release('t')
  expect(after.held()).toEqual([])
  after.begin('t', 2)
  after.setMark('t', 'second')
  expect(after.mark('t')).toBe('first')
  after.forget('t')
  expect(after.mark('t')).toBeUndefined()
  after.close()
})
