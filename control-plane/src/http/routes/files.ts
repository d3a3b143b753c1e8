import { Readable } from 'node:stream'
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import type { Tokens } from '../../lib/tokens.ts'
import type { Vault } from '../../lib/vault.ts'
import { dayMs, plan } from '../../plan.ts'
import type { AttachmentView } from '../../services/attachment/attachment.ts'
import { fileUrl } from '../../services/attachment/file-url.ts'
import { openFile } from '../../services/attachment/open-file.ts'
import { fileEmpty } from '../../services/attachment/seal-file.ts'
import { uploadFile } from '../../services/attachment/upload-file.ts'
import type { Store } from '../../storage/store.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonResponse, problem, refuseInvalid } from './openapi.ts'

/** What a message, or an upload, shows of a file. */
export const attachmentSchema = z
  .object({
    id: z.string(),
    kind: z.enum(['IMAGE', 'AUDIO', 'VIDEO', 'DOCUMENT', 'STICKER']),
    name: z.string(),
    mimeType: z.string(),
    sizeBytes: z.number().int().optional(),
    state: z.enum(['WAITING', 'STORED', 'FAILED', 'EXPIRED']),
    transcript: z.string().optional(),
    url: z
      .string()
      .optional()
      .openapi({ description: 'Where it is, while it is STORED; works for some days' }),
  })
  .openapi('Attachment')

/** Adds the address of a file that is there. */
export type WithUrl = (file: AttachmentView) => Promise<z.infer<typeof attachmentSchema>>

/** A path of the web's own origin, which hands it through to us. */
export function createFileUrls({ tokens, ctx }: { tokens: Tokens; ctx: Pick<Ctx, 'clock'> }): WithUrl {
  return async (file) => {
    if (file.state !== 'STORED') return file
    const token = await tokens.signLink(file.id, new Date(ctx.clock.now() + plan.fileLinkDays * dayMs))
    return { ...file, url: fileUrl('', file.id, token) }
  }
}

const upload = createRoute({
  method: 'post',
  path: '/attachments',
  tags: ['messages'],
  summary: 'Upload a file for a message: its bytes are the body, of up to 20 MB; POST /messages names it',
  request: {
    query: z.object({ name: z.string().max(500).default('') }),
    headers: z.object({ 'content-type': z.string().max(200).optional() }),
  },
  responses: jsonResponse(201, attachmentSchema, 'Stored; gone after a day unless a message takes it'),
})
const download = createRoute({
  method: 'get',
  path: '/files/{id}',
  tags: ['messages'],
  security: [],
  summary: 'The file behind a link',
  request: {
    params: z.object({ id: z.string().max(100) }),
    query: z.object({ token: z.string().max(2_000).optional() }),
  },
  responses: {
    200: { description: 'The file', content: { 'application/octet-stream': { schema: z.any() } } },
    default: { description: 'An error', content: { 'application/json': { schema: problem } } },
  },
})

export interface FileRouteDeps {
  ctx: Ctx
  vault: Vault
  tokens: Tokens
  store: Store
}

/** Shown in the page that names them; whatever else somebody stored is only ever saved, since it comes from our origin. */
const shownInline = /^(image\/(png|jpeg|webp|gif)|audio\/[\w.+-]+|video\/[\w.+-]+)$/

/** Files on their way in, and for whoever has their link. */
export function fileRoutes({ ctx, vault, tokens, store }: FileRouteDeps) {
  const withUrl = createFileUrls({ tokens, ctx })
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid })
    .openapi(upload, async (c) => {
      const { body, signal } = c.req.raw
      if (body === null) throw fileEmpty()
      const said = z.coerce.number().int().min(1).optional().catch(undefined)
      const file = {
        mimeType: c.req.header('content-type') ?? '',
        sizeBytes: said.parse(c.req.header('content-length')),
        bytes: body,
      }
      const input = { userId: c.get('user').id, ...c.req.valid('query'), ...file, signal }
      return c.json(await withUrl(await uploadFile({ ctx, vault, store, input })), 201)
    })
    .openapi(download, async (c) => {
      const { id } = c.req.valid('param')
      await tokens.verifyLink(c.req.valid('query').token ?? '', id)
      const file = await openFile({ ctx, vault, store, input: { attachmentId: id } })
      const disposition = shownInline.test(file.mimeType) ? 'inline' : 'attachment'
      c.header('content-type', file.mimeType)
      c.header('content-length', String(file.sizeBytes))
      c.header('content-disposition', `${disposition}; filename*=UTF-8''${encodeName(file.name)}`)
      c.header('content-security-policy', "default-src 'none'; sandbox")
      c.header('cache-control', 'private, max-age=86400, immutable')
      return c.body(Readable.toWeb(file.stream) as ReadableStream, 200)
    })
}

/** RFC 8187: what encodeURIComponent leaves and the header does not allow is encoded, too. */
const encodeName = (name: string) =>
  encodeURIComponent(name || 'file').replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
