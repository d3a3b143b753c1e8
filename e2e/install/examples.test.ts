import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { run } from './machine.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

const examples = ['server.env.example', 'production.env.example']

test('O4: the examples of deployments have a line for every setting that production demands', async () => {
  const main = join(root, 'control-plane/src/main.ts')
  const { PATH } = process.env
  for (const name of examples) {
    const file = join(root, 'infra/deploy', name)
    const env = { PATH, NODE_ENV: 'production' }
    const { status, output } = await run(process.execPath, [`--env-file=${file}`, main], { env })
    expect(status, output).toBe(78)
    const demanded = [...output.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, setting]) => setting)
    expect(demanded).toContain('ENCRYPTION_KEYS')
    const lines = (await readFile(file, 'utf8')).split('\n')
    // The compose file says where the database is.
    const given = (setting = '') =>
      setting === 'DATABASE_URL' || lines.some((line) => line.startsWith(`${setting}=`))
    expect(demanded.filter((setting) => !given(setting))).toEqual([])
  }
})
