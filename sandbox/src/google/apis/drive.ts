import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Provider } from '../provider.ts'
import { type ApiEnv, ApiError, answerError, pageOf, scoped } from './auth.ts'
import { parse } from './calendar.ts'

export const fileInput = z.object({
  id: z.string().min(10).optional(),
  name: z.string().min(1).default('Untitled'),
  mimeType: z.string().default('text/plain'),
  content: z.string().default(''),
})

const permissionInput = z.object({
  type: z.enum(['user', 'anyone']),
  role: z.enum(['reader', 'commenter', 'writer']),
  emailAddress: z.email().optional(),
})

interface DriveFile {
  id: string
  name: string
  mimeType: string
  content: string
  modifiedTime: string
  /** Made by the app that asks, which drive.file is about. */
  isOurs: boolean
  permissions: (z.infer<typeof permissionInput> & { id: string })[]
}

/** Everybody's files. */
export class Drives {
  readonly #files = new Map<string, DriveFile[]>()

  of(email: string): DriveFile[] {
    const files = this.#files.get(email) ?? []
    this.#files.set(email, files)
    return files
  }

  /** @throws ApiError fileIdInUse */
  add(email: string, input: z.infer<typeof fileInput>, isOurs: boolean): DriveFile {
    const files = this.of(email)
    if (files.some(({ id }) => id === input.id)) {
      throw new ApiError(409, 'fileIdInUse', 'A file already exists with the provided ID.')
    }
    const modifiedTime = new Date().toISOString()
    const made = { ...input, id: input.id ?? newId(), modifiedTime, isOurs, permissions: [] }
    files.unshift(made)
    return made
  }

  clear(): void {
    this.#files.clear()
  }
}

const newId = () => randomBytes(24).toString('base64url')
const native = 'application/vnd.google-apps.'

/** Files of https://developers.google.com/workspace/drive/api/reference/rest/v3. */
export function driveRoutes(provider: Provider): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()
  const reading = scoped(provider, 'drive.readonly', 'drive.file')
  const writing = scoped(provider, 'drive.file')
  const find = (email: string, id: string) => {
    const file = provider.drives.of(email).find((candidate) => candidate.id === id)
    if (!file) throw new ApiError(404, 'notFound', `File not found: ${id}.`)
    return file
  }

  app.get('/drive/v3/files', reading, (c) => {
    const { q, pageSize, pageToken } = c.req.query()
    const conditions = readQuery(q ?? '')
    const found = provider.drives.of(c.get('email')).filter((file) => conditions.every((fits) => fits(file)))
    const { items, nextPageToken } = pageOf(found, pageSize, pageToken, 1000)
    return c.json({ kind: 'drive#fileList', files: items.map(resource), nextPageToken })
  })
  app.get('/drive/v3/files/generateIds', writing, (c) => {
    const count = Math.min(Number(c.req.query('count') ?? 10) || 10, 1000)
    return c.json({ space: 'drive', ids: Array.from({ length: count }, newId) })
  })
  app.get('/drive/v3/files/:id', reading, (c) => {
    const file = find(c.get('email'), c.req.param('id'))
    if (c.req.query('alt') !== 'media') return c.json(resource(file))
    if (file.mimeType.startsWith(native)) {
      throw new ApiError(403, 'fileNotDownloadable', 'Only files with binary content can be downloaded.')
    }
    return c.body(file.content, 200, { 'content-type': file.mimeType })
  })
  app.get('/drive/v3/files/:id/export', reading, (c) => {
    const file = find(c.get('email'), c.req.param('id'))
    if (!file.mimeType.startsWith(native)) {
      throw new ApiError(403, 'fileNotExportable', 'Export only supports Docs Editors files.')
    }
    return c.body(file.content, 200, { 'content-type': c.req.query('mimeType') ?? 'text/plain' })
  })
  app.post('/upload/drive/v3/files', writing, async (c) => {
    const [metadata, content] = readRelated(c.req.header('content-type') ?? '', await c.req.text())
    const input = parse(fileInput.omit({ content: true }), metadata)
    return c.json(resource(provider.drives.add(c.get('email'), { ...input, content }, true)))
  })
  app.post('/drive/v3/files/:id/permissions', writing, async (c) => {
    const file = find(c.get('email'), c.req.param('id'))
    if (!file.isOurs) {
      throw new ApiError(
        403,
        'appNotAuthorizedToFile',
        'The user has not granted the app access to the file.',
      )
    }
    const input = parse(permissionInput, await c.req.json())
    const same = file.permissions.find(
      ({ type, emailAddress }) => type === input.type && emailAddress === input.emailAddress,
    )
    const permission = same ? Object.assign(same, input) : { ...input, id: newId() }
    if (!same) file.permissions.push(permission)
    return c.json({ kind: 'drive#permission', ...permission })
  })
  app.onError(answerError)
  return app
}

const resource = ({ content, isOurs: _, permissions: __, ...file }: DriveFile) => ({
  kind: 'drive#file',
  ...file,
  size: String(Buffer.byteLength(content)),
  webViewLink: `https://drive.google.com/file/d/${file.id}/view`,
})

/** `name contains 'x' and trashed = false`; what is not known here is refused, as Drive refuses what it does not know. */
function readQuery(q: string): ((file: DriveFile) => boolean)[] {
  return q
    .split(/\s+and\s+/)
    .filter((term) => term.trim() !== '')
    .map((term) => {
      const [, field, operator, quoted = ''] =
        /^\(?(\w+)\s+(contains|=)\s+(?:'((?:[^'\\]|\\.)*)'|false)\)?$/.exec(term.trim()) ?? []
      const value = quoted.replace(/\\(.)/g, '$1').toLowerCase()
      if (field === 'trashed') return () => true
      if (field === 'mimeType' && operator === '=') return (file) => file.mimeType === value
      if (field === 'name') return (file) => file.name.toLowerCase().includes(value)
      if (field === 'fullText') return (file) => `${file.name} ${file.content}`.toLowerCase().includes(value)
      throw new ApiError(400, 'invalid', 'Invalid Value')
    })
}

/** multipart/related (RFC 2387): the metadata, then the content. */
function readRelated(contentType: string, body: string): [unknown, string] {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1]
  const parts = boundary === undefined ? [] : body.split(`--${boundary}`).slice(1, 3)
  const [metadata, content] = parts.map((part) =>
    part
      .replace(/^\r?\n/, '')
      .replace(/\r?\n$/, '')
      .split(/\r?\n\r?\n/),
  )
  if (!metadata || !content) throw new ApiError(400, 'badContent', 'Malformed multipart body.')
  const [head = '', ...rest] = content
  const text = rest.join('\n\n')
  const isBase64 = /content-transfer-encoding:\s*base64/i.test(head)
  return [JSON.parse(metadata[1] ?? 'null'), isBase64 ? Buffer.from(text, 'base64').toString() : text]
}
