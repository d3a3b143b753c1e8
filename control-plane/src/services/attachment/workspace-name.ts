import type { Attachment } from '@yourclaw/db'

const maxStem = 80
const extensions: Record<string, string> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'image/gif': 'gif',
  'audio/ogg': 'ogg',
  'audio/mpeg': 'mp3',
  'audio/mp4': 'm4a',
  'audio/x-m4a': 'm4a',
  'video/mp4': 'mp4',
  'video/webm': 'webm',
  'application/pdf': 'pdf',
  'application/zip': 'zip',
  'text/vcard': 'vcf',
  'text/plain': 'txt',
}

/**
 * Where a file lies in its assistant's workspace: the same for every attempt, one for each file, and with nothing of the
 * person's name for it but plain letters, digits and marks (S1).
 */
export function workspacePath(file: Pick<Attachment, 'id' | 'kind' | 'name' | 'mimeType' | 'createdAt'>) {
  const plain = file.name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/[-._]*\.[-._]*/g, '.')
    .replace(/-{2,}/g, '-')
    .replace(/^[-._]+|[-._]+$/g, '')
  const [, stem = plain, given] = /^(.+)\.([A-Za-z0-9]{1,10})$/.exec(plain) ?? []
  const extension = given ?? extensions[file.mimeType]
  const name = stem.slice(0, maxStem) || file.kind.toLowerCase()
  const day = file.createdAt.toISOString().slice(0, 10)
  return `inbox/${day}-${file.id.slice(-8)}-${name}${extension === undefined ? '' : `.${extension}`}`
}
