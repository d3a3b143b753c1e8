import { setTimeout as pause } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { Container } from 'dockerode'
import type { Logger } from 'pino'
import { type Brought, type Gateway, turnSeconds } from '../openclaw/gateways.ts'
import type { Cause } from '../runtime.ts'
import { type Berth, isSameProfile } from './berth.ts'
import { trialOptions } from './container.ts'
import { isEngineTrouble, toAgentError, tolerating } from './errors.ts'
import { type Folders, foldersOf } from './folders.ts'
import type { Images } from './images.ts'
import type { Labels } from './labels.ts'
import { briefSeconds, removeContainer, stopContainer } from './removal.ts'
import { type Before, snapshotOf } from './snapshot.ts'

const trialDeadlineMs = 60_000

/** What another one takes the place of. */
export interface Old {
  /** Absent after it was stopped. */
  container?: Container
  specHash: string | undefined
  /** By its id: a tag may name another one by now. */
  image: string
  /** When it serves. */
  gateway?: Gateway
}

/**
 * One container in the place of another (F5), in steps of which each finds what the one before left, whoever made it:
 *
 * | on disk                 | in Docker        | next                                                              |
 * |-------------------------|------------------|-------------------------------------------------------------------|
 * | nothing                 | old, serving     | trial: image there, or pulled? config valid for it, on a copy of the state?  |
 * | nothing                 | old, stopped     | trial, if this is another agent's life; then the snapshot         |
 * | nothing                 | none, suspended  | trial; then the snapshot                                          |
 * | before/                 | none, or new     | start the new one; ready: drop before/. Else mark it undone       |
 * | before/, marked undone  | none, or either  | put the snapshot back, start the old image, note the refusal, drop |
 *
 * Up to the stop of the old one a refusal costs nothing. One state never has two gateways.
 */
export function createUpdates(deps: {
  docker: Docker
  labels: Labels
  images: Images
  dataDir: string
  parts(berth: Berth): Parameters<typeof trialOptions>[0]
  hashOf(berth: Berth): string
  isClosing(): boolean
  /** Rejects when the agent goes first. */
  orClosing<T>(wait: Promise<T>): Promise<T>
  heldStill<T>(assistantId: string, work: () => Promise<T>): Promise<T>
  writeConfig(berth: Berth, configDir: string): Promise<unknown>
  launch(berth: Berth): Promise<Gateway>
  log: Logger
}) {
  const { docker, hashOf, launch, orClosing } = deps
  const snapshotFor = ({ spec }: Berth) => snapshotOf(foldersOf(deps.dataDir, spec.userId))

  /** What speaks against it; nothing when the very image takes the very config. */
  async function objection(berth: Berth): Promise<Cause | undefined> {
    const snapshot = snapshotFor(berth)
    try {
      await orClosing(deps.images.ensure(berth.image))
      const copied = await deps.heldStill(berth.spec.assistantId, snapshot.copyForTrial)
      await deps.writeConfig(berth, copied.config)
      if ((await validate(berth, copied)) === 0) return undefined
      return {
        code: 'config_refused',
        detail: 'The new version does not take the assistant’s configuration.',
      }
    } catch (error) {
      return causeOf(error)
    } finally {
      await snapshot.dropTrial()
    }
  }

  /** The exit status of the image's own check. */
  async function validate(berth: Berth, copied: Folders): Promise<number> {
    const options = trialOptions({ ...deps.parts(berth), folders: copied }, deps.labels)
    const container = await docker.createContainer(options)
    const late = new AbortController()
    try {
      await container.start()
      const timeout = pause(trialDeadlineMs, { StatusCode: -1 }, { signal: late.signal })
      const { StatusCode } = await Promise.race([container.wait(), timeout])
      return Number(StatusCode)
    } finally {
      late.abort()
      await tolerating([404, 409], container.remove({ force: true }))
    }
  }

  /** An engine that is away says nothing about an update: it is tried again when it is back. */
  function causeOf(error: unknown): Cause {
    if (deps.isClosing() || isEngineTrouble(error)) throw error
    deps.log.warn({ err: error }, 'an update failed')
    const { code, detail } = toAgentError(error)
    return { code, detail }
  }

  async function refuse(berth: Berth, cause: Cause): Promise<Cause> {
    const { assistantId, generation } = berth.spec
    deps.log.warn({ assistantId, generation, cause: cause.code }, 'an update was refused')
    await snapshotFor(berth).writeRefusal({ specHash: hashOf(berth), generation, cause })
    return cause
  }

  const remove = async ({ container }: Old) => container && removeContainer(container, briefSeconds)

  /** As it was, config included. */
  const launchOld = (berth: Berth, { image, wasStopped }: Pick<Before, 'image' | 'wasStopped'>) =>
    launch({ ...berth, image, writesConfig: wasStopped })

  /** `goesDown` is called before the old one is stopped, and not when it stays. */
  async function replace(berth: Berth, old: Old, goesDown: () => void): Promise<Brought> {
    const isRestart = isSameProfile(old.specHash, hashOf(berth))
    const refused = isRestart ? undefined : await objection(berth)
    const before = { image: old.image, wasStopped: old.container === undefined }
    if (refused) {
      await refuse(berth, refused)
      if (old.gateway) return { gateway: old.gateway, refused }
      await remove(old)
      return { gateway: await launchOld(berth, before), refused }
    }
    goesDown()
    // It finishes its turn, and calls models until then.
    if (old.container) await orClosing(stopContainer(old.container, turnSeconds))
    await old.gateway?.release()
    if (isRestart) {
      await remove(old)
      return { gateway: await launch(berth) }
    }
    try {
      await snapshotFor(berth).take(before)
    } catch (error) {
      const cause = await refuse(berth, causeOf(error))
      await remove(old)
      return { gateway: await launchOld(berth, before), refused: cause }
    }
    await remove(old)
    return finish(berth)
  }

  /** From the snapshot on. */
  async function finish(berth: Berth): Promise<Brought> {
    const snapshot = snapshotFor(berth)
    const from = await snapshot.read()
    if (!from) return { gateway: await launch(berth) }
    let undone = from.undone
    if (!undone) {
      try {
        const gateway = await launch(berth)
        await snapshot.drop()
        await snapshot.dropRefusal()
        return { gateway }
      } catch (error) {
        const { detail } = causeOf(error)
        undone = {
          code: 'update_failed',
          detail: `The new version did not start, so the one before goes on. ${detail}`,
        }
        await snapshot.markUndone({ ...from, undone })
      }
    }
    await snapshot.putBack()
    const gateway = await launchOld(berth, from)
    await refuse(berth, undone)
    await snapshot.drop()
    return { gateway, refused: undone }
  }

  return {
    replace,
    finish,
    isUnfinished: async (berth: Berth) => (await snapshotFor(berth).read()) !== undefined,
    /** Why this very change was refused before; a newer generation is a new try. */
    async refusedBefore(berth: Berth): Promise<Cause | undefined> {
      const refusal = await snapshotFor(berth).readRefusal()
      const isSame = refusal?.specHash === hashOf(berth) && refusal.generation === berth.spec.generation
      return isSame ? refusal.cause : undefined
    },
  }
}
