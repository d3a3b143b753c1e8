import { createHash } from 'node:crypto'
import type Docker from 'dockerode'
import pLimit from 'p-limit'
import { AgentError } from '../../errors.ts'
import { refusal, tolerating, unlessGone, words } from './errors.ts'
import type { Labels } from './labels.ts'
import { bridgePrefix } from './rules.ts'
import { describeSubnet, firstFree, type TenantSubnet } from './subnets.ts'

export interface TenantNetwork extends TenantSubnet {
  name: string
}

/** The kernel takes at most 15 characters for an interface. */
const bridgeName = (userId: string) =>
  bridgePrefix +
  createHash('sha256')
    .update(userId)
    .digest('hex')
    .slice(0, 15 - bridgePrefix.length)

/**
 * One bridge network for each assistant. The subnets are ours to choose: Docker's own pools end near 31 networks.
 * Throws name_taken, subnet_exhausted, or what Docker says.
 */
export function createNetworks({
  docker,
  labels,
  tenantSubnet,
}: {
  docker: Docker
  labels: Labels
  tenantSubnet: string
}) {
  // Docker allows two networks of one name, and two that look for a free subnet find the same.
  const oneByOne = pLimit(1)

  async function find(name: string): Promise<TenantNetwork | undefined> {
    const found = await unlessGone(docker.getNetwork(name).inspect())
    if (!found) return undefined
    const subnet = found.IPAM?.Config?.[0]?.Subnet
    if (!labels.areOurs(found.Labels) || subnet === undefined) throw nameTaken(name)
    return { name, ...describeSubnet(subnet) }
  }

  async function create(name: string, assistantId: string, userId: string): Promise<TenantNetwork> {
    const taken = (await docker.listNetworks()).flatMap(
      ({ IPAM }) => IPAM?.Config?.map(({ Subnet }) => Subnet ?? '').filter((subnet) => subnet !== '') ?? [],
    )
    for (;;) {
      const chosen = firstFree(tenantSubnet, taken)
      if (!chosen) {
        throw new AgentError('subnet_exhausted', 'TENANT_SUBNET has no free network left.')
      }
      try {
        await docker.createNetwork({
          Name: name,
          CheckDuplicate: true,
          Driver: 'bridge',
          EnableIPv6: false,
          IPAM: { Driver: 'default', Config: [{ Subnet: chosen.subnet, Gateway: chosen.gateway }] },
          Options: { 'com.docker.network.bridge.name': bridgeName(userId) },
          Labels: labels.of(assistantId),
        })
        return { name, ...chosen }
      } catch (error) {
        // A network that Docker knows of and does not list, or a range that the host routes elsewhere.
        if (!/overlap/i.test(words(error))) throw refusal(error) === 409 ? nameTaken(name) : error
        taken.push(chosen.subnet)
      }
    }
  }

  return {
    ensure: (assistantId: string, userId: string): Promise<TenantNetwork> =>
      oneByOne(async () => {
        const name = `yourclaw-${userId}`
        return (await find(name)) ?? (await create(name, assistantId, userId))
      }),
    async remove(assistantId: string): Promise<void> {
      const found = await docker.listNetworks({ filters: labels.filter(assistantId) })
      for (const { Id } of found) await tolerating([404], docker.getNetwork(Id).remove())
    },
    /** Assistants that have a network. */
    async owners(): Promise<string[]> {
      const found = await docker.listNetworks({ filters: labels.filter() })
      return found.flatMap(({ Labels: carried }) => labels.assistantId(carried) ?? [])
    },
  }
}

export const nameTaken = (name: string) =>
  new AgentError('name_taken', `Something on this host that is not ours has the name ${name}.`)
