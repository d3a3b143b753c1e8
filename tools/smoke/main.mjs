// Proves the promises of the README: a fresh clone and one command give a system that answers a message, a second
// host joins it by the printed command, and the real OpenClaw answers by the other.
// usage: node tools/smoke/main.mjs [--port-base N] [--result FILE]     FILE receives { "passed": n, "failed": n }
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startCommand } from './command.mjs'
import { openPhone } from './phone.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({
  options: { 'port-base': { type: 'string', default: '21000' }, result: { type: 'string' } },
})
const base = Number(values['port-base'])
const api = `http://127.0.0.1:${base + 1}`
const phone = openPhone({ api, sandbox: `http://127.0.0.1:${base + 3}` })

const folder = mkdtempSync(join(tmpdir(), 'yourclaw-smoke-'))
const clone = join(folder, 'yourclaw')
const running = new Set()
let dev
let passed = 0
let failed = 0

try {
  for (const [name, step] of [
    ['a fresh clone is made', makeClone],
    ['npm run dev says ready within 180 s', () => startDev('')],
    ['the control plane is live', checkHealth],
    ['a Telegram message is answered within 60 s', () => phone.ask('hello', 'hello', 60_000)],
    ['a WhatsApp message is answered within 60 s', () => phone.askOnWhatsapp('hello', 'hello', 60_000)],
    ['the printed command joins a second host, which takes a new assistant', joinSecondHost],
    ['SIGTERM stops everything', stopDev],
    ['npm run dev -- --runtime process says ready', () => startDev('--runtime process --data .data/process')],
    ['the real OpenClaw gives the scripted answer', askOpenclaw],
    ['its next answer shows that it remembers', checkMemory],
    ['a model change keeps memory and process', changeModel],
    ['SIGTERM stops everything again', stopDev],
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
  await Promise.allSettled([...running].map((command) => command.stop()))
  rmSync(folder, { recursive: true, force: true })
  if (values.result) writeFileSync(values.result, JSON.stringify({ passed, failed }))
}
process.exit(failed === 0 ? 0 : 1)

function makeClone() {
  const result = spawnSync('git', ['clone', '--quiet', root, clone], { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(result.stderr.trim())
  // initdb and the servers run as another user when we are root; they must be able to look inside.
  spawnSync('chmod', ['755', folder])
}

function start(command) {
  const started = startCommand(command, { cwd: clone })
  running.add(started)
  return started
}

async function startDev(more) {
  dev = start(`exec npm run dev -- --port-base ${base} ${more}`)
  await dev.line(/^ready/, 180_000)
}

async function checkHealth() {
  const response = await fetch(`${api}/health`)
  if (!response.ok) throw new Error(`GET /health answered ${response.status}`)
}

/** Runs what was printed, word for word; the next assistant must land on the host with the most room. */
async function joinSecondHost() {
  const from = dev.lines.findIndex((line) => line.startsWith('A second host joins'))
  const to = dev.lines.findIndex((line, index) => index > from && line.trim() === '')
  const host = start(
    dev.lines
      .slice(from + 1, to)
      .join('\n')
      .trim(),
  )
  await host.line(/session open/, 60_000)
  const made = spawnSync('npm', ['run', '--silent', 'dev:user', '--', '--port-base', String(base)], {
    cwd: clone,
    encoding: 'utf8',
  })
  if (made.status !== 0) throw new Error(`dev:user failed: ${made.stderr}`)
  const init = { headers: { authorization: `Bearer ${made.stdout.trim()}` } }
  await fetch(`${api}/api/v1/assistants`, { ...init, method: 'POST' })
  let assistant
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await delay(300)) {
    assistant = await (await fetch(`${api}/api/v1/assistants`, init)).json()
    if (assistant.status === 'READY' && assistant.host === 'second-host') return stop(host)
  }
  throw new Error(`the new assistant is ${JSON.stringify(assistant)}`)
}

async function askOpenclaw() {
  await phone.script('favourite colour', 'Noted: teal.')
  // The first start installs the pinned OpenClaw, and a message waits for its assistant.
  await phone.ask('My favourite colour is teal.', 'Noted: teal.', 300_000)
}

async function checkMemory() {
  await phone.script('which one', 'You said teal.')
  await phone.ask('Which one was it?', 'You said teal.', 60_000)
  await expectRemembered()
}

async function changeModel() {
  const gateways = gatewayPids()
  if (gateways === '') throw new Error('no OpenClaw process was found')
  await phone.callApi('PATCH', '/assistants', { model: 'openai/gpt-4o' })
  for (const deadline = Date.now() + 60_000; (await phone.assistant()).job?.status !== 'COMPLETED'; ) {
    if (Date.now() > deadline) throw new Error('the change did not complete')
    await delay(300)
  }
  await phone.script('once more', 'Still teal.')
  await phone.ask('Once more, please?', 'Still teal.', 60_000)
  if (!(await phone.lastModelRequest()).includes('gpt-4o')) throw new Error('the old model was asked')
  await expectRemembered()
  if (gatewayPids() !== gateways) throw new Error('a process was replaced')
}

async function expectRemembered() {
  if (!(await phone.lastModelRequest()).includes('My favourite colour is teal.'))
    throw new Error('the model was not told what was said before')
}

/** The OpenClaw processes of this clone, by the folder they work in (Linux; CI is). */
function gatewayPids() {
  const isOurs = (pid) => {
    try {
      const title = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return title.startsWith('openclaw') && readlinkSync(`/proc/${pid}/cwd`).startsWith(clone)
    } catch {
      // It ended while we looked, or is no process.
      return false
    }
  }
  return readdirSync('/proc').filter(isOurs).sort().join(' ')
}

async function stop(command) {
  await command.stop()
  running.delete(command)
}

/** npm itself may be gone at once; what counts is that what it started is gone soon after. */
async function stopDev() {
  await stop(dev)
  const answers = () =>
    fetch(`${api}/health`).then(
      () => true,
      () => false,
    )
  for (const deadline = Date.now() + 30_000; await answers(); await delay(200)) {
    if (Date.now() > deadline) throw new Error('the control plane still answers 30 s later')
  }
}
