import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { openSpool } from './spool.ts'

const dayMs = 86_400_000

async function open() {
  const dir = await mkdtemp(join(tmpdir(), 'spool-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const clock = { at: Date.parse('2026-03-10T12:00:00Z') }
  const boot = () => {
    const spool = openSpool(dir, () => clock.at)
    onTestFinished(spool.close)
    return spool
  }
  return { dir, clock, boot, files: () => readdir(join(dir, 'files')) }
}

test('M12: a message that nobody took for a week is forgotten together with its file', async () => {
  const { clock, boot, files } = await open()
  const spool = boot()
  const say = async (callId: string) => {
    const { id, ...written } = await spool.write(Readable.from([Buffer.from('bytes')]))
    const file = { name: 'a', ...written }
    return spool.add({ id, assistantId: 'a1', callId, text: '', turnId: '', traceParent: '', file })
  }
  await say('1')
  clock.at += 8 * dayMs
  const { id } = await say('2')
  expect(spool.waiting()).toMatchObject([{ id }])
  expect(await files()).toEqual([id])
})

test('M12: files that a killed agent was writing, or had settled, are removed by the next one', async () => {
  const { dir, boot, files } = await open()
  const first = boot()
  const { id } = await first.write(Readable.from([Buffer.from('never added')]))
  await writeFile(join(dir, 'files', 'cut'), 'half')
  expect((await files()).sort()).toEqual([id, 'cut'].sort())
  first.close()
  boot()
  expect(await files()).toEqual([])
})
