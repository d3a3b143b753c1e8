import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A folder of a million files is read in less. */
const deadlineMs = 60_000

/** Bytes that an assistant's `config` and `workspace` below `root` take up on the disk; links are not followed. */
export async function diskUsed(root: string): Promise<number> {
  const folders = ['config', 'workspace'].map((part) => join(root, part))
  const present = await Promise.all(
    folders.map((folder) =>
      access(folder).then(
        () => [folder],
        () => [],
      ),
    ),
  )
  if (present.flat().length === 0) return 0
  const args = [
    '-n',
    '19',
    'du',
    '--summarize',
    '--total',
    '--one-file-system',
    '--block-size=1',
    ...present.flat(),
  ]
  // A tenant makes and removes files meanwhile: du complains, and counts the rest.
  const { stdout } = await promisify(execFile)('nice', args, { timeout: deadlineMs }).catch(
    (error: unknown) => {
      const counted = error as { stdout?: string; killed?: boolean }
      if (counted.killed || !counted.stdout?.includes('total')) throw error
      return { stdout: counted.stdout }
    },
  )
  return Number(stdout.trim().split('\n').at(-1)?.split('\t')[0])
}
