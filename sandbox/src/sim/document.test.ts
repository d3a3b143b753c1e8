import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../index.ts'
import { simRoutes, type World } from './routes.ts'

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const document = read('docs/sandbox.md')

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
})
afterAll(() => sandbox.stop())

test('docs/sandbox.md lists every route below /sim, and no other', () => {
  const nameOf = (path: string) => path.slice(1).replace(/:(\w+)(\{[^}]+\}+)?/g, '{$1}')
  const { routes } = simRoutes({} as World)
  const there = routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${nameOf(path)}`)
  const told = [...document.matchAll(/^\| `((?:GET|POST) [^`]+)` \|/gm)].map(([, route]) => route)
  expect(told.toSorted()).toEqual(there.toSorted())
})

const examples = [document, read('README.md')].flatMap((text) =>
  [...text.matchAll(/\bcurl [^\n`]*\/sim\/[^\s`]+/g)].map(([line]) => line),
)

test.each(examples)('works when pasted: %s', async (line) => {
  const command = line.replaceAll('http://localhost:4100', sandbox.url).replace('curl', 'curl -sS')
  const { stdout } = await promisify(execFile)('sh', ['-c', command])
  expect(JSON.parse(stdout)).not.toMatchObject({ code: expect.anything() })
})
