// Proves the promise of the README: a fresh clone and one command give a system that answers a message.
// usage: node tools/smoke.mjs [--port-base N] [--result FILE]     FILE receives { "passed": n, "failed": n }
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({
  options: { 'port-base': { type: 'string', default: '21000' }, result: { type: 'string' } },
})
const base = Number(values['port-base'])
const api = `http://127.0.0.1:${base + 1}`
const phone = `http://127.0.0.1:${base + 3}/sim`
const telegram = { url: `${phone}/telegram/1001/messages`, key: 'text' }
const whatsapp = {
  url: `${phone}/whatsapp/${encodeURIComponent('whatsapp:+15550001')}/messages`,
  key: 'body',
}

const folder = mkdtempSync(join(tmpdir(), 'yourclaw-smoke-'))
const clone = join(folder, 'yourclaw')
let dev
let exited
let passed = 0
let failed = 0

try {
  for (const [name, step] of [
    ['a fresh clone is made', makeClone],
    ['npm run dev says ready within 180 s', startDev],
    ['the control plane is live', checkHealth],
    ['a Telegram message is answered within 60 s', () => checkMessage(telegram)],
    ['a WhatsApp message is answered within 60 s', () => checkMessage(whatsapp)],
    ['SIGTERM stops everything', stopDev],
  ]) {
    try {
      await step()
      passed += 1
      console.log(`ok    smoke: ${name}`)
    } catch (error) {
      failed += 1
      console.log(`FAIL  smoke: ${name}: ${error.message}`)
      // Every step rests on those before it.
      break
    }
  }
} finally {
  signalDev('SIGTERM')
  const stopped = await Promise.race([exited, delay(30_000, 'late')])
  if (stopped === 'late') signalDev('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
  if (values.result) writeFileSync(values.result, JSON.stringify({ passed, failed }))
}
process.exit(failed === 0 ? 0 : 1)

async function makeClone() {
  const result = spawnSync('git', ['clone', '--quiet', root, clone], { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(result.stderr.trim())
  // initdb and the servers run as another user when we are root; they must be able to look inside.
  spawnSync('chmod', ['755', folder])
}

async function startDev() {
  dev = spawn('npm', ['run', 'dev', '--', '--port-base', String(base)], {
    cwd: clone,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let ready
  const isReady = new Promise((resolve) => {
    ready = resolve
  })
  for (const stream of [dev.stdout, dev.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      console.log(`      ${line}`)
      if (line.startsWith('ready')) ready('ready')
    })
  }
  exited = new Promise((resolve) => dev.once('exit', () => resolve('exited')))
  dev.once('error', (error) => console.log(`      ${error.message}`))
  const outcome = await Promise.race([isReady, exited, delay(180_000, 'late')])
  if (outcome !== 'ready')
    throw new Error(outcome === 'late' ? 'it was not ready in time' : 'it ended before that')
}

async function checkHealth() {
  const response = await fetch(`${api}/health`)
  if (!response.ok) throw new Error(`GET /health answered ${response.status}`)
}

/** `key` names the text of a message, on its way in and out. */
async function checkMessage({ url, key }) {
  const before = (await ourMessages(url)).length
  const sent = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ [key]: 'hello' }),
  })
  if (!sent.ok) throw new Error(`the sandbox answered ${sent.status} to the message`)
  const deadline = Date.now() + 60_000
  let last
  while (Date.now() < deadline) {
    const fresh = (await ourMessages(url)).slice(before)
    // The development assistant echoes; any other words, a greeting or an excuse, are our own and no answer.
    if (fresh.some((message) => message[key].trim() === 'hello')) return
    last = fresh.at(-1)?.[key] ?? last
    await delay(500)
  }
  throw new Error(last === undefined ? 'nothing was said' : `it only said ${JSON.stringify(last)}`)
}

async function ourMessages(url) {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`GET ${url} answered ${response.status}`)
  return (await response.json()).filter((message) => message.kind === 'message')
}

/** npm itself may be gone at once; what counts is that what it started is gone soon after. */
async function stopDev() {
  signalDev('SIGTERM')
  const deadline = Date.now() + 30_000
  const answers = () =>
    fetch(`${api}/health`).then(
      () => true,
      () => false,
    )
  while (await answers()) {
    if (Date.now() > deadline) throw new Error('the control plane still answers 30 s later')
    await delay(200)
  }
  if ((await Promise.race([exited, delay(30_000, 'late')])) === 'late')
    throw new Error('it still ran 30 s later')
}

function signalDev(signal) {
  if (dev?.pid === undefined) return
  try {
    process.kill(-dev.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}
