import { setTimeout as pause } from 'node:timers/promises'
import type Docker from 'dockerode'
import { engineUnavailable } from './errors.ts'

/** An engine that restarts, or that the host starts after us, is back within this. */
const deadlineMs = 60_000

/** Waits for the engine to answer; throws engine_unavailable when it does not, or when `closing` resolves. */
export async function awaitEngine(docker: Docker, closing: Promise<void>): Promise<void> {
  let over = false
  closing.then(() => {
    over = true
  })
  const deadline = Date.now() + deadlineMs
  for (;;) {
    try {
      await docker.ping()
      return
    } catch (error) {
      if (over || Date.now() > deadline) throw engineUnavailable(error)
    }
    await pause(200)
  }
}
