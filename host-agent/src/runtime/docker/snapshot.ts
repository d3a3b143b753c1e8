import { execFile } from 'node:child_process'
import { access, chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Folders } from './folders.ts'

const cause = z.object({ code: z.string(), detail: z.string() })
const beforeSchema = z.object({
  /** What ran. */
  image: z.string(),
  /** It was stopped, and has another network since: its config is not put back as it was but rendered. */
  wasStopped: z.boolean().default(false),
  /** Set once the way back was taken, with the reason. */
  undone: cause.optional(),
})
/** Of a change that was begun: what was there before it. */
export type Before = z.infer<typeof beforeSchema>

const refusalSchema = z.object({ specHash: z.string(), generation: z.number(), cause })
/** A change that was tried for a generation and is not tried again for it. */
export type Refusal = z.infer<typeof refusalSchema>

/** Large files are shared with their copy where the file system can. Nobody may write to them meanwhile. */
const copy = (from: string, to: string) =>
  promisify(execFile)(
    'cp',
    ['--archive', '--reflink=auto', '--sparse=always', '--no-target-directory', from, to],
    {
      timeout: 15 * 60_000,
    },
  )

/** Beside an assistant's folders while one container takes another's place. */
export function snapshotOf(folders: Folders) {
  const before = join(folders.root, 'before')
  const trial = join(folders.root, 'trial')
  const parts = [
    [folders.home, 'config'],
    [folders.workspace, 'workspace'],
    [folders.config, 'gateway'],
  ] as const
  const refusal = join(folders.root, 'refused.json')

  return {
    /** Whole or not there: the folder gets its name last. */
    async take(from: Before): Promise<void> {
      const unfinished = `${before}.new`
      await rm(unfinished, { recursive: true, force: true })
      await mkdir(unfinished, { mode: 0o700 })
      for (const [folder, name] of parts) await copy(folder, join(unfinished, name))
      await writeFile(join(unfinished, 'before.json'), JSON.stringify(from))
      await rename(unfinished, before)
    },
    async read(): Promise<Before | undefined> {
      return parse(beforeSchema, join(before, 'before.json'))
    },
    /** From now on the way leads back, whoever walks it. */
    async markUndone(from: Before): Promise<void> {
      await replaceFile(join(before, 'before.json'), JSON.stringify(from))
    },
    /** May be repeated: what was taken stays until `drop`. */
    async putBack(): Promise<void> {
      for (const [folder, name] of parts) {
        await rm(folder, { recursive: true, force: true })
        await copy(join(before, name), folder)
      }
    },
    async drop(): Promise<void> {
      // The name goes first, so that a half-removed one is not taken for whole.
      await rename(before, `${before}.new`).catch(() => {})
      await rm(`${before}.new`, { recursive: true, force: true })
    },
    /** A copy of the state that another image may look at. */
    async copyForTrial(): Promise<Folders> {
      await rm(trial, { recursive: true, force: true })
      await mkdir(trial, { mode: 0o700 })
      const copied = {
        ...folders,
        root: trial,
        home: join(trial, 'config'),
        workspace: join(trial, 'workspace'),
        config: join(trial, 'gateway'),
      }
      await copy(folders.home, copied.home)
      for (const folder of [copied.workspace, copied.config]) {
        await mkdir(folder)
        // Whatever umask the agent has, the tenant's user looks at it.
        await chmod(folder, 0o755)
      }
      return copied
    },
    dropTrial: () => rm(trial, { recursive: true, force: true }),
    readRefusal: () => parse(refusalSchema, refusal),
    writeRefusal: (refused: Refusal) => replaceFile(refusal, JSON.stringify(refused)),
    dropRefusal: () => rm(refusal, { force: true }),
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

async function parse<T>(schema: z.ZodType<T>, path: string): Promise<T | undefined> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  return isThere ? schema.parse(JSON.parse(await readFile(path, 'utf8'))) : undefined
}
