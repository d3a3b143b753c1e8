import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { lockDataDir } from './lock.ts'

test('a data folder is one run’s at a time; that of a run that died is free', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'yourclaw-lock-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  onTestFinished(() => void other.kill())
  writeFileSync(join(dir, 'dev.pid'), String(other.pid))
  expect(() => lockDataDir(dir)).toThrow(`process ${other.pid}`)
  other.kill('SIGKILL')
  await once(other, 'exit')
  const release = lockDataDir(dir)
  release()
  lockDataDir(dir)
})
