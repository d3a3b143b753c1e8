import type { HostState } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'

/** A host as operators see it: what it said last, and what is placed on it. */
export interface HostView {
  name: string
  state: HostState
  isConnected: boolean
  /** ISO 8601, as every time here. */
  lastSeen: string | null
  agentVersion: string | null
  runtime: string | null
  ip: string | null
  assistants: number
  capacity: number
  memoryFreeBytes: number | null
  memoryTotalBytes: number | null
  diskFreeBytes: number | null
  diskTotalBytes: number | null
  /** Run there, are not placed there, and wait for an operator's word. */
  heldOrphans: number
  /** Of the newest certificate that counts; null = none does. */
  certificateExpiresAt: string | null
}

export async function listHosts({ ctx }: { ctx: Ctx }): Promise<HostView[]> {
  const hosts = await ctx.db.hostServer.findMany({
    include: {
      session: true,
      certificates: { where: { revokedAt: null }, orderBy: { notAfter: 'desc' }, take: 1 },
    },
    orderBy: { name: 'asc' },
  })
  return hosts.map((host) => ({
    name: host.name,
    state: host.state,
    isConnected: (host.session?.leaseExpiresAt.getTime() ?? 0) > ctx.clock.now(),
    lastSeen: iso(host.lastSeen),
    agentVersion: host.agentVersion,
    runtime: host.runtime,
    ip: host.ip,
    assistants: host.currentContainers,
    capacity: host.maxContainers,
    memoryFreeBytes: figure(host.memoryFreeBytes),
    memoryTotalBytes: figure(host.memoryTotalBytes),
    diskFreeBytes: figure(host.diskFreeBytes),
    diskTotalBytes: figure(host.diskTotalBytes),
    heldOrphans: host.heldOrphans,
    certificateExpiresAt: iso(host.certificates[0]?.notAfter),
  }))
}

const iso = (at: Date | null | undefined) => at?.toISOString() ?? null
const figure = (bytes: bigint | null) => (bytes === null ? null : Number(bytes))
