import { expect, test } from 'vitest'
import { createLabels } from './labels.ts'
import { createNetworks } from './network.ts'
import { firstFree } from './subnets.ts'
import { lacksDocker, startDocker, tenantSubnet } from './testing.ts'

test('a tenant’s subnet is the first /28 that overlaps nothing', () => {
  const taken = ['10.201.0.0/28', '10.201.0.32/27', 'fd00::/64', '172.17.0.0/16']
  expect(firstFree(tenantSubnet, taken)).toEqual({
    subnet: '10.201.0.16/28',
    gateway: '10.201.0.17',
    address: '10.201.0.18',
  })
  expect(firstFree(tenantSubnet, ['10.201.0.0/24'])?.subnet).toBe('10.201.1.0/28')
  expect(firstFree('10.201.0.0/28', ['10.201.0.0/28'])).toBeUndefined()
  expect(firstFree('10.201.0.0/30', [])).toBeUndefined()
})

test.skipIf(await lacksDocker())(
  'one host has networks for 100 assistants, asked for at once',
  {
    timeout: 120_000,
  },
  async () => {
    const { docker, dataDir, newSpec } = await startDocker()
    const networks = createNetworks({ docker, labels: createLabels(dataDir), tenantSubnet })
    const specs = Array.from({ length: 100 }, () => newSpec())
    try {
      const made = await Promise.all(specs.map((spec) => networks.ensure(spec.assistantId, spec.userId)))
      expect(new Set(made.map(({ subnet }) => subnet)).size).toBe(100)
      const again = await Promise.all(specs.map((spec) => networks.ensure(spec.assistantId, spec.userId)))
      expect(again).toEqual(made)
      expect((await networks.owners()).length).toBe(100)
    } finally {
      for (const spec of specs) await networks.remove(spec.assistantId)
    }
    expect(await networks.owners()).toEqual([])
  },
)
