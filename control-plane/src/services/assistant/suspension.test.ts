import { type Observed, Phase, Presence } from '@yourclaw/proto/host/v1'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createVault } from '../../lib/vault.ts'
import { claimTurns } from '../conversation/claim-turns.ts'
import { failTurn } from '../conversation/fail-turn.ts'
import { createFixture, createPerson, type Fixture } from '../conversation/fixtures.ts'
import { readTurnInput } from '../conversation/read-turn-input.ts'
import { sweep } from '../conversation/sweep.ts'
import { applyObserved } from './apply-observed.ts'
import { createAssistant } from './create-assistant.ts'
import { deleteAssistant } from './delete-assistant.ts'
import { desiredState } from './desired-state.ts'
import { getAssistant } from './get-assistant.ts'
import { restartAssistant } from './restart-assistant.ts'
import { resumeAssistant } from './resume-assistant.ts'
import { suspendAssistant } from './suspend-assistant.ts'

const vault = createVault(`k1:${Buffer.alloc(32, 7).toString('base64')}`)
let fixture: Fixture
beforeAll(async () => {
  fixture = await createFixture()
})
afterAll(() => fixture.close())

async function person() {
  const at = await createPerson(fixture.db)
  const { ctx } = fixture
  const presence = async () => {
    const [spec] = await desiredState({ ctx, vault, input: { hostId: at.hostId } })
    return spec?.presence
  }
  async function report(phase: Phase) {
    const row = await fixture.db.assistant.findUniqueOrThrow({ where: { userId: at.userId } })
    const observed: Observed = {
      assistantId: row.id,
      generation: row.desiredGeneration,
      phase,
      cause: undefined,
      containerId: '',
      step: '',
    }
    const input = { hostId: at.hostId, sessionEpoch: 1n, observed }
    return applyObserved({ ctx, onFirstReady: async () => {}, input })
  }
  const claim = async () => {
    const { turns } = await claimTurns({ ctx, input: { hostId: at.hostId, sessionEpoch: 1n, limit: 5 } })
    return turns.map(({ turnId }) => turnId)
  }
  const texts = async (turnId: string) => {
    const read = await readTurnInput({ ctx, input: { turnId, sessionEpoch: 1n, withHistory: false } })
    return read.messages.map(({ text }) => text)
  }
  const view = () => getAssistant({ ctx, input: { userId: at.userId } })
  const notices = () => fixture.db.message.findMany({ where: { userId: at.userId, kind: 'NOTICE' } })
  return { ...at, ctx, presence, report, claim, texts, view, notices }
}

test('M1, F1: messages to a suspended assistant are kept, told of once, and answered when it is resumed', async () => {
  const { ctx, userId, address, presence, report, claim, texts, view, notices } = await person()
  expect(await suspendAssistant({ ctx, input: { userId, reason: 'operator', note: 'spam' } })).toEqual({
    changed: true,
  })
  expect(await suspendAssistant({ ctx, input: { userId, reason: 'operator' } })).toEqual({ changed: false })
  expect(await presence()).toBe(Presence.PRESENCE_SUSPENDED)
  await report(Phase.PHASE_STOPPED)
  expect(await view()).toMatchObject({
    status: 'READY',
    suspended: { reasons: ['operator'] },
    job: { status: 'COMPLETED', step: 'stopped' },
  })
  await fixture.receive(address, 'one')
  await fixture.receive(address, 'two')
  fixture.clock.at += 120_000
  await sweep({ ctx: fixture.ctx })
  expect((await notices()).map(({ code }) => code)).toEqual(['assistant_suspended'])
  expect(await claim()).toEqual([])
  await expect(restartAssistant({ ctx, input: { userId } })).rejects.toMatchObject({
    code: 'assistant_suspended',
  })

  await resumeAssistant({ ctx, input: { userId, reason: 'operator' } })
  expect(await presence()).toBe(Presence.PRESENCE_RUNNING)
  await report(Phase.PHASE_READY)
  const [turnId = ''] = await claim()
  expect(await texts(turnId)).toEqual(['one', 'two'])
  expect(await view()).not.toHaveProperty('suspended')
})

test('M1: a turn that a suspension cuts is taken up again after the resumption', async () => {
  const { ctx, userId, address, claim, texts, report, notices } = await person()
  await fixture.receive(address, 'cut')
  const [turnId = ''] = await claim()
  await fixture.receive(address, 'later')
  await suspendAssistant({ ctx, input: { userId, reason: 'operator' } })
  const failed = { turnId, sessionEpoch: 1n, code: 'assistant_unreachable', retryable: true }
  expect(await failTurn({ ctx: fixture.ctx, input: failed })).toMatchObject({ retryAfterMs: null })
  expect(await notices()).toEqual([])
  await resumeAssistant({ ctx, input: { userId, reason: 'operator' } })
  await report(Phase.PHASE_READY)
  const [next = ''] = await claim()
  expect(await texts(next)).toEqual(['cut', 'later'])
})

test('B3: an assistant runs again when the last reason is lifted, and a failed one is tried again', async () => {
  const { ctx, userId, presence, report, view } = await person()
  await suspendAssistant({ ctx, input: { userId, reason: 'unpaid' } })
  await report(Phase.PHASE_FAILED)
  await report(Phase.PHASE_FAILED)
  await report(Phase.PHASE_FAILED)
  expect(await view()).toMatchObject({ status: 'ERROR', lastError: { code: 'assistant_failed' } })
  await suspendAssistant({ ctx, input: { userId, reason: 'operator' } })
  expect(await resumeAssistant({ ctx, input: { userId, reason: 'unpaid' } })).toEqual({ changed: true })
  expect(await presence()).toBe(Presence.PRESENCE_SUSPENDED)
  expect(await resumeAssistant({ ctx, input: { userId, reason: 'unpaid' } })).toEqual({ changed: false })
  await resumeAssistant({ ctx, input: { userId, reason: 'operator' } })
  expect(await presence()).toBe(Presence.PRESENCE_RUNNING)
  expect(await view()).toMatchObject({ status: 'PROVISIONING' })
})

test('F4: a suspended assistant can be deleted, and no other takes its place while the suspension stands', async () => {
  const { ctx, userId, report, view } = await person()
  await suspendAssistant({ ctx, input: { userId, reason: 'operator' } })
  await deleteAssistant({ ctx, input: { userId } })
  await report(Phase.PHASE_ABSENT)
  expect(await view()).toMatchObject({ status: 'NONE' })
  const create = () => createAssistant({ ctx, vault, input: { userId } })
  await expect(create()).rejects.toMatchObject({ code: 'assistant_suspended' })
  await resumeAssistant({ ctx, input: { userId, reason: 'operator' } })
  await create()
  expect(await view()).toMatchObject({ status: 'PROVISIONING' })
})
