import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../../context.ts'
import type { HostInput } from '../../../services/host/change-host.ts'
import { cordonHost, uncordonHost } from '../../../services/host/cordon-host.ts'
import { createJoinToken } from '../../../services/host/create-join-token.ts'
import { listHosts } from '../../../services/host/list-hosts.ts'
import { removeOrphans } from '../../../services/host/remove-orphans.ts'
import { revokeHost } from '../../../services/host/revoke-host.ts'
import type { OperatorEnv } from '../../middleware/operator.ts'
import { jsonBody, jsonResponse, refuseInvalid } from '../openapi.ts'

const figure = z.number().nullable()
const text = z.string().nullable()
const host = z
  .object({
    name: z.string(),
    state: z.enum(['ACTIVE', 'CORDONED', 'DRAINING', 'LOST', 'REVOKED']),
    isConnected: z.boolean(),
    lastSeen: text,
    agentVersion: text,
    runtime: text,
    ip: text,
    assistants: z.number(),
    capacity: z.number(),
    memoryFreeBytes: figure,
    memoryTotalBytes: figure,
    diskFreeBytes: figure,
    diskTotalBytes: figure,
    heldOrphans: z.number(),
    certificateExpiresAt: text,
  })
  .openapi('Host')
const hosts = z.object({ hosts: z.array(host) })
const tags = ['operator']
const hostName = z.string().min(1).max(63)

type Change = (call: { ctx: Ctx; input: HostInput }) => Promise<void>
const changes: {
  verb: 'cordon' | 'uncordon' | 'revoke' | 'remove-orphans'
  summary: string
  change: Change
}[] = [
  { verb: 'cordon', summary: 'Place nobody new on a host', change: cordonHost },
  { verb: 'uncordon', summary: 'Place people on it again', change: uncordonHost },
  { verb: 'revoke', summary: 'Take a host’s trust away, at once and for good', change: revokeHost },
  { verb: 'remove-orphans', summary: 'Let it end what runs there unplaced', change: removeOrphans },
]

export function operatorHostRoutes(ctx: Ctx) {
  const app = new OpenAPIHono<OperatorEnv>({ defaultHook: refuseInvalid })
    .openapi(
      createRoute({
        method: 'post',
        path: '/operator/join-tokens',
        tags,
        summary: 'A token that lets one host enroll, once and within the hour',
        request: jsonBody(z.object({ hostName: hostName.optional() })),
        responses: jsonResponse(
          201,
          z.object({ token: z.string(), expiresAt: z.string() }),
          'Shown this once',
        ),
      }),
      async (c) => {
        const { hostName } = c.req.valid('json')
        const input = { createdBy: c.get('actor'), ...(hostName !== undefined && { hostName }) }
        const { token, expiresAt } = await createJoinToken({ ctx, input })
        return c.json({ token, expiresAt: expiresAt.toISOString() }, 201)
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/operator/hosts',
        tags,
        summary: 'Every host, with what it said last',
        responses: jsonResponse(200, hosts, 'The hosts, by name'),
      }),
      async (c) => c.json({ hosts: await listHosts({ ctx }) }, 200),
    )
  for (const { verb, summary, change } of changes) {
    app.openapi(
      createRoute({
        method: 'post',
        path: `/operator/hosts/{name}/${verb}`,
        tags,
        summary,
        request: { params: z.object({ name: hostName }) },
        responses: jsonResponse(200, hosts, 'The hosts as they are now'),
      }),
      async (c) => {
        await change({ ctx, input: { name: c.req.valid('param').name, actor: c.get('actor') } })
        return c.json({ hosts: await listHosts({ ctx }) }, 200)
      },
    )
  }
  return app
}
