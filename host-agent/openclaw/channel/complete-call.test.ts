import { expect, test } from 'vitest'
import { completeCall } from './complete-call.ts'

const chat = { person: 'u1', isChat: true }
const job = (fields: object) => ({ toolName: 'automations', params: { action: 'add', job: fields } })
const schedule = { kind: 'at', at: '2027-01-01T00:00:00Z' }
const here = { mode: 'announce', channel: 'yourclaw', to: 'u1' }

test('M12: a message that names nobody, or somebody else, goes to the person', () => {
  const send = (params: object) =>
    completeCall({ toolName: 'message', params: { action: 'send', ...params } }, chat)?.params
  const toPerson = { action: 'send', message: 'hi', channel: 'yourclaw', target: 'u1' }
  expect(send({ message: 'hi' })).toEqual(toPerson)
  expect(send({ message: 'hi', channel: 'telegram', to: '@stranger', targets: ['a', 'b'] })).toEqual(toPerson)
  expect(completeCall({ toolName: 'message', params: { action: 'read' } }, chat)).toBeUndefined()
  expect(completeCall({ toolName: 'exec', params: { command: 'ls' } }, chat)).toBeUndefined()
})

test('M12, M13: a job made in the chat runs for the chat and is said there, wherever the model put it', () => {
  const turn = { kind: 'agentTurn', message: 'Remind them' }
  const inChat = { schedule, payload: turn, sessionTarget: 'current', delivery: here }
  expect(completeCall(job({ schedule, payload: turn }), chat)?.params).toEqual({ action: 'add', job: inChat })
  expect(
    completeCall(
      job({ schedule, payload: turn, sessionTarget: 'isolated', delivery: { channel: 'last' } }),
      chat,
    ),
  ).toMatchObject({ params: { job: inChat } })
  // OpenClaw's main session knows nothing of the chat.
  const event = { schedule, payload: { kind: 'systemEvent', text: 'Remind them' }, sessionTarget: 'main' }
  expect(completeCall(job(event), chat)?.params).toEqual({ action: 'add', job: inChat })
  // Its fields may stand beside the action.
  const flat = { toolName: 'automations', params: { action: 'add', schedule, payload: turn } }
  expect(completeCall(flat, chat)?.params).toEqual({ action: 'add', ...inChat })
})

test('a job that is to be silent stays so, and one of another session keeps its place', () => {
  const silent = { schedule, payload: { kind: 'agentTurn', message: 'Look' }, delivery: { mode: 'none' } }
  expect(completeCall(job(silent), chat)).toMatchObject({ params: { job: { delivery: { mode: 'none' } } } })
  const elsewhere = { schedule, payload: { kind: 'agentTurn', message: 'Look' }, sessionTarget: 'isolated' }
  expect(completeCall(job(elsewhere), { person: 'u1', isChat: false })).toMatchObject({
    params: { job: { sessionTarget: 'isolated', delivery: here } },
  })
  const list = { toolName: 'automations', params: { action: 'list' } }
  expect(completeCall(list, chat)).toBeUndefined()
})
