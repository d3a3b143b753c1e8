import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Folders } from './folders.ts'

/** Beside the config, so that both go back together when a change is undone. */
const path = ({ config }: Folders) => join(config, 'image')

/** Which image served an assistant's state last, by its id: another one may not be able to go back from it. */
export async function noteImage(folders: Folders, imageId: string): Promise<void> {
  if ((await notedImage(folders)) === imageId) return
  await writeFile(`${path(folders)}.new`, imageId)
  await rename(`${path(folders)}.new`, path(folders))
}

export const notedImage = (folders: Folders): Promise<string | undefined> =>
  readFile(path(folders), 'utf8').then(
    (id) => id,
    () => undefined,
  )
