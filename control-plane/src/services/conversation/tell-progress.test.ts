import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimTurns } from './claim-turns.ts'
import { finishTurn } from './finish-turn.ts'
import { createFixture, createPerson, type Fixture } from './fixtures.ts'
import { stopTurn } from './stop-turn.ts'
import { tellProgress } from './tell-progress.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

async function running() {
  const { ctx, db, receive } = fixture
  const { userId, address, hostId } = await createPerson(db)
  await receive(address, 'think hard')
  const { turns } = await claimTurns({ ctx, input: { hostId, sessionEpoch: 1n, limit: 1 } })
  const turnId = turns[0]?.turnId ?? ''
  const tell = () => tellProgress({ ctx, input: { turnId } })
  const told = async () => db.message.count({ where: { userId, code: 'turn_progress', kind: 'NOTICE' } })
  return { userId, turnId, tell, told }
}

test('M11: a long turn is told of once, whoever carries it, and not after its answer or its stop', async () => {
  const long = await running()
  await Promise.all([long.tell(), long.tell()])
  expect(await long.told()).toBe(1)
  const { ctx } = fixture
  const answered = await running()
  await finishTurn({ ctx, input: { turnId: answered.turnId, sessionEpoch: 1n, text: 'done' } })
  await answered.tell()
  expect(await answered.told()).toBe(0)
  const stopped = await running()
  await stopTurn({ ctx, input: { userId: stopped.userId } })
  await stopped.tell()
  expect(await stopped.told()).toBe(0)
})
