import openapiTypescript, { astToString } from 'openapi-typescript'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type System, startTestSystem } from './system.ts'

let system: System
beforeAll(async () => {
  system = await startTestSystem()
})
afterAll(() => system?.stop())

/** `pnpm generate:api` (this test with -u) writes the file anew. */
test('the types of the web’s client are those of the API’s own document', async () => {
  const document = await (await fetch(`${system.apiUrl}/api/v1/openapi.json`)).text()
  const types = astToString(await openapiTypescript(document, { alphabetize: true }))
  const text = `/** Made by \`pnpm generate:api\` from the API's own document; not edited by hand. */\n\n${types}`
  await expect(text).toMatchFileSnapshot('../../web/src/lib/server/api/schema.ts')
})
