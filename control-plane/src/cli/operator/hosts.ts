import type { Ctx } from '../../context.ts'
import type { HostInput } from '../../services/host/change-host.ts'
import { cordonHost, uncordonHost } from '../../services/host/cordon-host.ts'
import { createJoinToken } from '../../services/host/create-join-token.ts'
import { type HostView, listHosts } from '../../services/host/list-hosts.ts'
import { removeOrphans } from '../../services/host/remove-orphans.ts'
import { revokeHost } from '../../services/host/revoke-host.ts'
import type { Command } from './commands.ts'
import { free, table, when } from './print.ts'

const heads = [
  'HOST',
  'STATE',
  'ASSISTANTS',
  'MEMORY FREE',
  'DISK FREE',
  'VERSION',
  'LAST SEEN',
  'CERTIFICATE ENDS',
]

function hostTable(hosts: HostView[], nowMs: number): string {
  if (hosts.length === 0) return 'No host has joined yet.'
  return table(
    heads,
    hosts.map((host) => [
      host.name,
      `${host.state}${host.isConnected ? '' : ', away'}`,
      `${host.assistants}/${host.capacity}${host.heldOrphans > 0 ? ` +${host.heldOrphans} orphans` : ''}`,
      free(host.memoryFreeBytes, host.memoryTotalBytes),
      free(host.diskFreeBytes, host.diskTotalBytes),
      host.agentVersion && `${host.agentVersion} ${host.runtime ?? ''}`,
      when(host.lastSeen, nowMs),
      when(host.certificateExpiresAt, nowMs),
    ]),
  )
}

/** A command that changes one host and shows it. */
const change = (
  verb: string,
  work: (call: { ctx: Ctx; input: HostInput }) => Promise<void>,
  summary: string,
  more?: string,
): Command => ({
  name: `hosts ${verb}`,
  args: ['NAME'],
  summary,
  ...(more !== undefined && { more }),
  async run({ ctx, actor, args: [name = ''] }) {
    await work({ ctx, input: { name, actor } })
    const hosts = (await listHosts({ ctx })).filter((host) => host.name === name)
    return { result: { hosts }, text: hostTable(hosts, ctx.clock.now()) }
  },
})

export const hostCommands: Command[] = [
  {
    name: 'join-token create',
    args: [],
    options: '[--host NAME]',
    summary: 'Makes a token that lets one host enroll, once and within the hour.',
    more: 'With --host it is good for that name only, which may exist: for a host that lost its disk.',
    async run({ ctx, actor, values: { host } }) {
      const input = { createdBy: actor, ...(host !== undefined && { hostName: host }) }
      const { token, expiresAt } = await createJoinToken({ ctx, input })
      return { result: { token, expiresAt: expiresAt.toISOString() }, text: token }
    },
  },
  {
    name: 'hosts list',
    args: [],
    summary: 'Every host: what is placed on it, and what it said last.',
    async run({ ctx }) {
      const hosts = await listHosts({ ctx })
      return { result: { hosts }, text: hostTable(hosts, ctx.clock.now()) }
    },
  },
  change('cordon', cordonHost, 'Places nobody new on a host; those it has go on.'),
  change('uncordon', uncordonHost, 'Places people on it again, first those that wait.'),
  change(
    'revoke',
    revokeHost,
    'Takes a host’s trust away, at once and for good.',
    'Its session ends within a second and its certificate opens nothing any more. Its name is not used again.',
  ),
  change(
    'remove-orphans',
    removeOrphans,
    'Lets a host end what runs there and is not placed there, more than a fifth as well.',
    'Good for ten minutes. Data stays on the host.',
  ),
]
