import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

const key = (id: string, fill: number) => `${id}:${Buffer.alloc(32, fill).toString('base64')}`
const oldKey = key('old', 1)
const newKey = key('new', 2)
const settings = (keys: string) => ({
  ENCRYPTION_KEYS: keys,
  RATE_LIMIT_PER_MINUTE: '100000',
  RATE_LIMIT_PER_DAY: '100000',
})
let system: System
let people: Person[]

beforeAll(async () => {
  system = await startTestSystem(settings(oldKey))
  people = system.people
  await system.startHost()
}, 60_000)
afterAll(() => system.stop(), 30_000)

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 50 })
async function status(person: Person): Promise<string> {
  const response = await system.api(person, 'GET', '/assistants')
  return ((await response.json()) as { status: string }).status
}
async function answered(person: Person, text: string) {
  await system.say(person, text)
  await eventually(async () => expect((await system.heard(person)).join('\n')).toContain(text))
}
/** The command as an operator runs it. */
async function rotate(keys: string) {
  const command = path.join(import.meta.dirname, '../../control-plane/src/cli/rotate-vault.ts')
  const env = { ...process.env, DATABASE_URL: system.databaseUrl, ENCRYPTION_KEYS: keys }
  return (await promisify(execFile)(process.execPath, [command], { env })).stdout
}

test('S7: the vault’s key is exchanged while messages are answered and assistants made, then the old one goes', async () => {
  const [ada, ben] = people
  if (!ada || !ben) throw new Error('the sandbox has too few people')
  await answered(ada, 'sealed with the old key')
  await system.restart(settings(`${oldKey},${newKey}`))
  await system.restart(settings(`${newKey},${oldKey}`))

  let isRotating = true
  let said = 0
  let made = 0
  const conversation = async () => {
    while (isRotating) await answered(ada, `message ${++said}`)
  }
  const assistants = async () => {
    while (isRotating) {
      await system.api(ben, 'DELETE', '/assistants')
      await eventually(async () => expect(await status(ben)).toBe('NONE'))
      await system.api(ben, 'POST', '/assistants', {})
      await eventually(async () => expect(await status(ben)).toBe('READY'))
      made += 1
    }
  }
  const traffic = Promise.all([conversation(), assistants()])
  const both = `${newKey},${oldKey}`
  const rotateUnderTraffic = async () => {
    let report = ''
    while (said < 5 || made < 2) [report = ''] = await Promise.all([rotate(both), rotate(both)])
    return report
  }
  const report = await Promise.race([rotateUnderTraffic(), traffic.then(() => '')]).finally(() => {
    isRotating = false
  })
  await traffic
  expect(report).toContain('key old: no secret needs it')
  expect(report).toContain('done: new opens every secret')

  await system.restart(settings(newKey))
  await answered(ada, 'only the new key')
  await answered(ben, 'for me, too')
  // The authority's key opens, too: it signs one more host.
  await system.startHost()
}, 120_000)

test('S7: a control plane without the key that sealed its secrets does not start', async () => {
  const { ports } = system.controlPlane
  await expect(system.restart(settings(oldKey))).rejects.toThrow('no key with id new')
  await system.restart({ ...settings(newKey), ...ports })
})
