import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { basename, isAbsolute, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** As the host agent bounds it. */
const maxBytes = 100 * 2 ** 20

export interface OpenFile extends AsyncDisposable {
  name: string
  bytes: number
  /** From its beginning, as often as it is called. */
  read(): AsyncIterable<Buffer>
}

/**
 * Opens a file below one of `roots`, by a path that is relative to the first. Links are followed first and looked at
 * then, so that none leads out. Throws what the model should read.
 */
export async function openFile(roots: readonly string[], media: string): Promise<OpenFile> {
  if (/^(?!file:)[a-z][a-z0-9+.-]*:/i.test(media))
    throw new Error('Only files can be sent. Save it in the workspace first, then send that file.')
  const path = resolve(roots[0] ?? '/', media.startsWith('file:') ? fileURLToPath(media) : media)
  const real = await realpath(path).catch(() => {
    throw new Error(`There is no file ${media}.`)
  })
  const within = await Promise.all(
    roots.map(async (root) => isWithin(await realpath(root).catch(() => ''), real)),
  )
  if (!within.includes(true))
    throw new Error('Only files of the workspace can be sent. Copy it there first, then send that file.')
  // Nothing that would block, should it be a pipe by now.
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new Error(`${media} is not a file.`)
    if (stat.size === 0) throw new Error(`${media} is empty.`)
    if (stat.size > maxBytes)
      throw new Error(`${media} is too large: at most ${maxBytes / 2 ** 20} MB can be sent.`)
    return {
      name: basename(media),
      bytes: stat.size,
      // Never more than was said, should it grow meanwhile.
      read: () => file.createReadStream({ start: 0, end: stat.size - 1, autoClose: false }),
      [Symbol.asyncDispose]: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

function isWithin(root: string, path: string): boolean {
  const way = relative(root, path)
  return root !== '' && way !== '' && way.split('/')[0] !== '..' && !isAbsolute(way)
}
