import { Hono } from 'hono'
import { z } from 'zod'
import type { Env } from '../faults.ts'
import { read } from '../sim/input.ts'
import { accountInput } from './accounts.ts'
import type { Provider } from './provider.ts'

const rotateInput = z.object({ dropOld: z.boolean().default(false) })

/** What happens at Google without us, below `/sim/google`. */
export function googleSim(provider: Provider): Hono<Env> {
  const app = new Hono<Env>()
  app.get('/users', (c) => c.json(provider.accounts.all()))
  app.post('/users', async (c) => c.json(provider.accounts.add(await read(c, accountInput))))
  app.post('/rotate-keys', async (c) => {
    const { dropOld } = await read(c, rotateInput)
    return c.json({ kid: await provider.keys.rotate(dropOld) })
  })
  return app
}
