import { access, constants, statfs } from 'node:fs/promises'
import { type Check, findingsOf, wordsOf } from './finding.ts'

const { ok, warning, problem } = findingsOf('disk')

/** An image to unpack and the logs of a full host fit in this. */
const leastFreeBytes = 2 * 2 ** 30
const scarceShare = 0.1

/** The folders are there, and have room. */
export function checkDisk(folders: string[]): Check {
  return () =>
    Promise.all(
      folders.map(async (folder) => {
        try {
          await access(folder, constants.R_OK | constants.W_OK)
          const { bavail, blocks, bsize } = await statfs(folder)
          const freeGib = ((bavail * bsize) / 2 ** 30).toFixed(1)
          if (bavail * bsize < leastFreeBytes) {
            return problem(`${folder} has ${freeGib} GiB left.\nMake room: assistants cannot write soon.`)
          }
          if (bavail / blocks < scarceShare)
            return warning(`${folder} has ${freeGib} GiB left, under a tenth.`)
          return ok(`${folder} has ${freeGib} GiB left.`)
        } catch (error) {
          return problem(`${folder} cannot be used: ${wordsOf(error)}`)
        }
      }),
    )
}
