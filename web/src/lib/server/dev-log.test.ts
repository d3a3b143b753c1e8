import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const web = fileURLToPath(new URL('../../..', import.meta.url))

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

/** What the development server has printed once it has answered each address. */
async function printed(level: string, paths: string[]): Promise<string> {
  const port = await freePort()
  const args = ['node_modules/vite/bin/vite.js', 'dev', '--port', String(port), '--strictPort']
  // Nobody listens at the API's address: a request through to it is answered with 503.
  const env = { ...process.env, NODE_ENV: 'development', LOG_LEVEL: level, API_URL: 'http://127.0.0.1:1' }
  const child = spawn(process.execPath, args, { cwd: web, env, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part))
  await expect.poll(() => text, { timeout: 90_000, interval: 100 }).toContain('ready in')
  for (const path of paths) await (await fetch(`http://localhost:${port}${path}`)).text()
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGTERM')
  await ended
  return text
}

const paths = ['/api/v1/files/1?token=hush-hush', '/nowhere?token=hush-hush', '/start?code=hush-hush']

test('S8: the development server prints requests only when asked, and no token ever', {
  timeout: 240_000,
}, async () => {
  const quiet = await printed('', paths)
  expect(quiet).not.toMatch(/hush|GET/)
  const loud = await printed('info', paths)
  expect(loud).not.toMatch(/hush/)
  expect(loud).toMatch(/^503 GET \/api\/v1\/files\/1$/m)
  expect(loud).toMatch(/^404 GET \/nowhere$/m)
})
