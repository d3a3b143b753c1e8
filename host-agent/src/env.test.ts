import { expect, test } from 'vitest'
import { readEnv } from './env.ts'

const good = { CONTROL_PLANE_URL: 'http://control', JOIN_TOKEN: 'join', RUNTIME: 'process' }

test('O4: every bad setting of an agent is named at once', () => {
  const read = () => readEnv({ ...good, CONTROL_PLANE_URL: 'control', MAX_ASSISTANTS: '0' })
  expect(read).toThrow('CONTROL_PLANE_URL')
  expect(read).toThrow('MAX_ASSISTANTS')
})

test('O4: an unknown runtime stops the start at its settings', () => {
  for (const RUNTIME of ['', 'other']) {
    expect(() => readEnv({ ...good, RUNTIME })).toThrow('RUNTIME: must be docker, process or fake')
  }
})

test('MOCK_CONTAINERS only chooses the fake runtime, and not in production', () => {
  expect(readEnv({ ...good, RUNTIME: '', MOCK_CONTAINERS: '1' }).RUNTIME).toBe('fake')
  expect(() => readEnv({ ...good, MOCK_CONTAINERS: '1', NODE_ENV: 'production' })).toThrow('MOCK_CONTAINERS')
})
