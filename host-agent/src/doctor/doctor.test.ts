import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { loadIdentity } from '../identity/store.ts'
import { startTestAgent } from '../testing/agent.ts'
import { checkCertificate } from './certificate.ts'
import { examine } from './examine.ts'
import { checkListening, isReachable, parseSockets } from './listening.ts'

const subnet = '10.201.0.0/16'

/** Listens on any free port of `address`; with the port. */
async function listen(address: string): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  onTestFinished(() => void server.close())
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : 0
}

test('S4: doctor names a program that listens for the outside, and none that listens on loopback', async () => {
  const outside = await listen('0.0.0.0')
  const everywhere = await listen('::')
  const inside = await listen('127.0.0.1')
  const words = (await checkListening(subnet)())
    .map((finding) => `${finding.state} ${finding.words}`)
    .join('\n')
  expect(words).toMatch(new RegExp(`problem .*node.* tcp 0\\.0\\.0\\.0:${outside}\\.`, 'i'))
  expect(words).toMatch(new RegExp(`problem .* tcp :::${everywhere}\\.`))
  expect(words).not.toContain(`:${inside}.`)
})

test('S4: the model gateway on a bridge of an assistant is not for the outside; the same port elsewhere is', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100C90A:4966 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0 0 10 0',
    '   1: 0500000A:4966 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8 1 0 100 0 0 10 0',
    '   2: 0100007F:0016 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 9 1 0 100 0 0 10 0',
  ].join('\n')
  const sockets = parseSockets(table, 'tcp')
  expect(sockets.map(({ address, port }) => `${address}:${port}`)).toEqual([
    '10.201.0.1:18790',
    '10.0.0.5:18790',
  ])
  expect(sockets.map((socket) => isReachable(socket, subnet))).toEqual([false, true])
})

test('doctor finds an enrolled host’s certificate and control plane in order, and says when the control plane is away', async () => {
  const { control, env, boot } = await startTestAgent()
  await boot()
  await control.sessions.next()
  const found = async () =>
    (await examine(env)).filter(({ check }) => check === 'certificate' || check === 'control plane')
  expect((await found()).map(({ state }) => state)).toEqual(['ok', 'ok', 'ok'])
  await control.stop()
  expect(await found()).toMatchObject([
    { check: 'certificate', state: 'ok' },
    { check: 'control plane', state: 'problem', words: expect.stringContaining('does not answer') },
    { check: 'control plane', state: 'problem', words: expect.stringContaining('No connection') },
  ])
})

test('doctor tells a certificate that ended, one that is late, and a host that never joined', async () => {
  const { control, env, boot } = await startTestAgent()
  const judge = async (aheadMs: number) =>
    (await checkCertificate(env.STATE_DIR, () => Date.now() + aheadMs)()).map(({ state }) => state)
  expect(await judge(0)).toEqual(['problem'])
  await boot()
  await control.sessions.next()
  expect(await loadIdentity(env.STATE_DIR)).toBeDefined()
  expect(await judge(0)).toEqual(['ok'])
  expect(await judge(17 * 3_600_000)).toEqual(['warning'])
  expect(await judge(25 * 3_600_000)).toEqual(['problem'])
})
