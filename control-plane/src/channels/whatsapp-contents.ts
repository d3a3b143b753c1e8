import type { Logger } from 'pino'
import twilio from 'twilio'
import type { ContentStore } from './sender.ts'
import { contentOf, nameOf, type Shape } from './whatsapp-choices.ts'

export interface Contents {
  /** Null: it is not to be had at the moment. Never throws. */
  sidOf(shape: Shape): Promise<string | null>
  /** Twilio did not take a message with it. */
  refused(shape: Shape, sid: string, code: number | undefined): Promise<void>
}

/** Longer than both calls that making one takes. */
const leaseMs = 60_000
const refusedForMs = 3_600_000
const failedForMs = 60_000
/** Twilio: there is no such content. */
const goneCode = 21655

/** Makes each content at Twilio when it is first needed: there is nothing to set up. */
export function createContents(deps: {
  client: () => twilio.Twilio
  store: ContentStore
  log: Logger
}): Contents {
  const { client, store, log } = deps
  const known = new Map<string, string>()

  /** One that was made by a process which died before it noted so is found by its name. */
  async function make(shape: Shape): Promise<string> {
    const name = nameOf(shape)
    const { content } = client()
    const made = await content.v2.contents.list({ contentName: name, limit: 50 })
    const before = made.find(({ friendlyName }) => friendlyName === name)
    if (before) return before.sid
    // The SDK hands JSON bodies on as they are, and Twilio's names have underscores; its types say otherwise.
    const asked = contentOf(shape) as Parameters<typeof content.v1.contents.create>[0]
    return (await content.v1.contents.create(asked)).sid
  }

  async function makeAndKeep(shape: Shape): Promise<string | null> {
    const name = nameOf(shape)
    try {
      const sid = await make(shape)
      await store.keep(name, sid)
      return sid
    } catch (error) {
      const status = error instanceof twilio.RestException ? error.status : undefined
      const isRefused = status !== undefined && status >= 400 && status < 500 && status !== 429
      const code = error instanceof twilio.RestException ? error.code : undefined
      log.warn({ name, status, code }, 'a content could not be made: choices are numbered')
      await store.putOff(name, isRefused ? refusedForMs : failedForMs)
      return null
    }
  }

  async function find(shape: Shape): Promise<string | null> {
    const name = nameOf(shape)
    const before = known.get(name)
    if (before !== undefined) return before
    const taken = await store.take(name, leaseMs)
    if (taken === null) return null
    const sid = taken === 'ours' ? await makeAndKeep(shape) : taken.sid
    if (sid !== null) known.set(name, sid)
    return sid
  }

  return {
    // What is asked does not wait for its buttons.
    sidOf: (shape) =>
      find(shape).catch((err: unknown) => {
        log.warn({ err, name: nameOf(shape) }, 'a content could not be looked up: choices are numbered')
        return null
      }),
    async refused(shape, sid, code) {
      const name = nameOf(shape)
      log.warn({ name, code }, 'buttons were refused: choices are numbered')
      if (code !== goneCode) return
      known.delete(name)
      await store.forget(name, sid)
    },
  }
}
