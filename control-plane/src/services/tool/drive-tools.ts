import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { GoogleApi } from '../../lib/google-api.ts'
import { scopes } from '../integration/google-services.ts'
import { unlessCode } from './calendar-tools.ts'
import { bold, cut, maxItems, maxTextBytes, quoted, untrusted } from './quoting.ts'
import { actTool, readTool, type Tool } from './tool.ts'

const files = '/drive/v3/files'
const reading = { service: 'drive', scope: scopes.driveRead } as const
const writing = { service: 'drive', scope: scopes.driveFile } as const
const source = 'the person’s Google Drive'

const id = z.string().regex(/^[A-Za-z0-9_-]{10,128}$/, 'is not an id of a file')
const fileSchema = z.object({
  id: z.string(),
  name: z.string().default(''),
  mimeType: z.string().default(''),
  modifiedTime: z.string().default(''),
  webViewLink: z.string().optional(),
})
const fields = 'id,name,mimeType,modifiedTime,webViewLink'
const find = (api: GoogleApi, fileId: string) =>
  api.call({ path: `${files}/${fileId}`, query: { fields } }, fileSchema)

/** What Google's own kinds of documents are read as. */
const exports: Record<string, string> = {
  'application/vnd.google-apps.document': 'text/plain',
  'application/vnd.google-apps.spreadsheet': 'text/csv',
  'application/vnd.google-apps.presentation': 'text/plain',
}
const isText = (mimeType: string) =>
  /^text\/|^application\/(json|xml|yaml|x-yaml|javascript|toml)$|\+(json|xml)$/.test(mimeType)

/** A string of Drive's query language. */
const literal = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`

export const driveTools: Tool[] = [
  readTool({
    ...reading,
    name: 'drive_search',
    description: 'Finds files by words in their name or text; without words, the newest.',
    input: z.object({
      query: z.string().max(200).optional(),
      limit: z.int().min(1).max(maxItems).default(10),
    }),
    async run(api, { query, limit }) {
      const q = [...(query ? [`fullText contains ${literal(query)}`] : []), 'trashed = false'].join(' and ')
      // Drive sorts what it finds by words itself, and refuses another order.
      const order = query ? {} : { orderBy: 'modifiedTime desc' }
      const { files: found } = await api.call(
        { path: files, query: { q, pageSize: limit, fields: `files(${fields})`, ...order } },
        z.object({ files: z.array(fileSchema).default([]) }),
      )
      if (found.length === 0) return 'No files.'
      const lines = found.map((file) => `${file.id}: ${file.name} (${file.mimeType}, ${file.modifiedTime})`)
      return untrusted(source, cut(lines.join('\n')))
    },
  }),
  readTool({
    ...reading,
    name: 'drive_read',
    description: 'The text of a file: text files, and Google’s documents, sheets (as CSV) and slides.',
    input: z.object({ id }),
    async run(api, input) {
      const file = await find(api, input.id)
      const as = exports[file.mimeType]
      if (as === undefined && !isText(file.mimeType)) {
        return `${untrusted(source, cut(`${file.name} (${file.mimeType})`))}\nIt is no text, so it cannot be read here.`
      }
      const call =
        as === undefined
          ? { path: `${files}/${input.id}`, query: { alt: 'media' } }
          : { path: `${files}/${input.id}/export`, query: { mimeType: as } }
      const { text, isCut } = await api.text(call, maxTextBytes)
      return untrusted(source, `${cut(file.name)}\n\n${text}${isCut ? '\n[cut: there is more]' : ''}`)
    },
  }),
  actTool({
    ...writing,
    name: 'drive_create_file',
    label: 'make files in my Drive',
    description: 'Makes a text file in the person’s Drive, after asking them.',
    input: z.object({
      name: z.string().min(1).max(200),
      mimeType: z.enum(['text/plain', 'text/markdown', 'text/csv']).default('text/plain'),
      text: z.string().max(5_000),
    }),
    describe: async (_, { name, text }) => ({
      text: [`Make the file ${bold(name)} in your Drive:`, quoted(text)].join('\n'),
    }),
    // Google gives ids away beforehand; a second file with one is refused.
    async prepare(api) {
      const query = { count: 1, space: 'drive' }
      const { ids } = await api.call(
        { path: `${files}/generateIds`, query },
        z.object({ ids: z.tuple([z.string()]) }),
      )
      return ids[0]
    },
    async run(api, { name, mimeType, text }, { reference }) {
      const boundary = randomBytes(16).toString('hex')
      const bytes = Buffer.from(
        [
          `--${boundary}`,
          'content-type: application/json; charset=utf-8',
          '',
          JSON.stringify({ id: reference, name, mimeType }),
          `--${boundary}`,
          `content-type: ${mimeType}; charset=utf-8`,
          'content-transfer-encoding: base64',
          '',
          Buffer.from(text).toString('base64'),
          `--${boundary}--`,
          '',
        ].join('\r\n'),
      )
      const body = { type: `multipart/related; boundary=${boundary}`, bytes }
      const query = { uploadType: 'multipart', fields }
      await api
        .call({ method: 'POST', path: '/upload/drive/v3/files', query, body }, fileSchema)
        .catch(unlessCode('google_conflict'))
      return `The file was made. Its id is ${reference}.`
    },
  }),
  actTool({
    ...writing,
    name: 'drive_share_file',
    label: 'share files of my Drive',
    description: 'Lets somebody see or change a file that was made here, after asking the person.',
    input: z.object({ id, email: z.email().max(254), role: z.enum(['reader', 'commenter', 'writer']) }),
    async describe(api, input) {
      const can = { reader: 'read', commenter: 'read and comment on', writer: 'change' }[input.role]
      const { name } = await find(api, input.id)
      const text = `Let ${bold(input.email)} ${can} the file ${bold(name)} in your Drive. They are told by mail.`
      return { text }
    },
    async run(api, input) {
      const json = { type: 'user', role: input.role, emailAddress: input.email }
      const path = `${files}/${input.id}/permissions`
      // Sharing twice with the same person is the same permission.
      await api.call({ method: 'POST', path, json }, z.looseObject({}))
      return 'The file is shared.'
    },
  }),
]
