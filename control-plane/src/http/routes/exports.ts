import { Readable } from 'node:stream'
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import type { Tokens } from '../../lib/tokens.ts'
import type { Vault } from '../../lib/vault.ts'
import { openExport } from '../../services/export/open-export.ts'
import { type ExportView, readExport } from '../../services/export/read-export.ts'
import { type EnqueueExport, requestExport } from '../../services/export/request-export.ts'
import type { Store } from '../../storage/store.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonResponse, problem, refuseInvalid } from './openapi.ts'

const view = z
  .object({
    status: z.enum(['NONE', 'PENDING', 'RUNNING', 'READY', 'FAILED', 'EXPIRED']),
    id: z.string().optional(),
    step: z.string().optional().openapi({ description: 'queued, workspace, packing, storing, ready' }),
    percent: z.number().int().optional(),
    sizeBytes: z.number().int().optional(),
    requestedAt: z.string().optional(),
    expiresAt: z.string().optional(),
    url: z.string().optional().openapi({ description: 'Of one that is ready: works until expiresAt' }),
    errorCode: z.string().optional(),
  })
  .openapi('Export')

const get = createRoute({
  method: 'get',
  path: '/users/me/export',
  tags: ['account'],
  summary: 'How far the newest export is',
  responses: jsonResponse(200, view, 'NONE without one'),
})
const post = createRoute({
  method: 'post',
  path: '/users/me/export',
  tags: ['account'],
  summary: 'Export messages, usage, settings and workspace: a zip, and a mail with the link to it',
  responses: jsonResponse(202, view, 'Under way; one that was under way goes on'),
})
const download = createRoute({
  method: 'get',
  path: '/exports/{id}',
  tags: ['account'],
  security: [],
  summary: 'The file behind the link of an export',
  request: {
    params: z.object({ id: z.string().max(100) }),
    query: z.object({ token: z.string().max(2_000).optional() }),
  },
  responses: {
    200: { description: 'The file', content: { 'application/zip': { schema: z.any() } } },
    default: { description: 'An error', content: { 'application/json': { schema: problem } } },
  },
})

export interface ExportDeps {
  ctx: Ctx
  vault: Vault
  tokens: Tokens
  store: Store
  enqueue: EnqueueExport
}

/** The signed-in person's export; its file is for whoever has the link, which only they get. */
export function exportRoutes({ ctx, vault, tokens, store, enqueue }: ExportDeps) {
  const withUrl = async (found: ExportView) => {
    if (found.status !== 'READY' || found.id === undefined || found.expiresAt === undefined) return found
    const token = await tokens.signLink(found.id, new Date(found.expiresAt))
    return { ...found, url: exportUrl(ctx.settings.webUrl, found.id, token) }
  }
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(get, async (c) => {
      const found = await readExport({ ctx, input: { userId: c.get('user').id } })
      return c.json(await withUrl(found), 200)
    })
    .openapi(post, async (c) => {
      const found = await requestExport({ ctx, vault, enqueue, input: { userId: c.get('user').id } })
      return c.json(found, 202)
    })
    .openapi(download, async (c) => {
      const { id } = c.req.valid('param')
      await tokens.verifyLink(c.req.valid('query').token ?? '', id)
      const file = await openExport({ ctx, vault, store, input: { exportId: id } })
      c.header('content-type', 'application/zip')
      c.header('content-disposition', `attachment; filename="${file.name}"`)
      c.header('cache-control', 'no-store')
      return c.body(Readable.toWeb(file.stream) as ReadableStream, 200)
    })
}

/** Through the web, as everything that a person opens. */
export const exportUrl = (webUrl: string, id: string, token: string) =>
  `${webUrl}/api/v1/exports/${id}?token=${token}`
