import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { z } from 'zod'

export const providers = [
  'telegram',
  'twilio',
  'google',
  'calendar',
  'gmail',
  'drive',
  'stripe',
  'resend',
  'anthropic',
  'openai',
  'gemini',
  's3',
] as const
export type Provider = (typeof providers)[number]

export const faultInput = z.object({
  provider: z.enum(providers),
  /** Answer with this status and the provider's own error body. */
  status: z.int().min(400).max(599).optional(),
  /** Share of requests (0 to 1) whose connection is cut without an answer. */
  dropRate: z.number().min(0).max(1).optional(),
  /** The request is carried out, and its connection cut instead of an answer. */
  loseAnswer: z.boolean().optional(),
  delayMs: z.number().min(0).optional(),
  /** How many requests it touches; without it, all until reset. */
  count: z.int().positive().optional(),
  /** Seconds to wait, told with a 429. */
  retryAfter: z.int().positive().default(1),
  /**
   * Twilio: the number of the error. With a status it is in the refusal; without one the message is taken and
   * its delivery fails with it.
   */
  errorCode: z.int().positive().optional(),
})
export type Fault = z.infer<typeof faultInput>

/** The faults in force. The newest for a provider wins. */
export class Faults {
  #active: Fault[] = []

  add(fault: Fault): void {
    this.#active.unshift({ ...fault })
  }

  clear(): void {
    this.#active = []
  }

  /** The fault for this request, if any; a counted one is used up. */
  take(provider: Provider): Fault | undefined {
    return this.#take((fault) => fault.provider === provider && !failsLater(fault))
  }

  /** What the delivery of a message that is taken now fails with, if anything. */
  takeErrorCode(provider: Provider): number | undefined {
    return this.#take((fault) => fault.provider === provider && failsLater(fault))?.errorCode
  }

  #take(isIt: (fault: Fault) => boolean): Fault | undefined {
    const fault = this.#active.find(isIt)
    if (fault?.count !== undefined) {
      fault.count -= 1
      if (fault.count === 0) this.#active = this.#active.filter((candidate) => candidate !== fault)
    }
    return fault
  }
}

const failsLater = (fault: Fault) => fault.errorCode !== undefined && fault.status === undefined

export type Env = { Bindings: HttpBindings }

/** Stands before a provider's routes; `errorBody` shapes a failure as that provider does. */
export function faulty(
  faults: Faults,
  provider: Provider,
  errorBody: (status: number, retryAfter: number, errorCode?: number) => object,
): MiddlewareHandler<Env> {
  return async (c, next) => {
    const fault = faults.take(provider)
    if (!fault) return next()
    if (fault.delayMs) await sleep(fault.delayMs)
    if (fault.dropRate !== undefined && Math.random() < fault.dropRate) {
      c.env.incoming.socket.destroy()
      return c.body(null)
    }
    if (fault.loseAnswer) {
      await next()
      c.env.incoming.socket.destroy()
      return
    }
    if (fault.status === undefined) return next()
    const headers: Record<string, string> = { 'content-type': 'application/json' }
    if (fault.status === 429) headers['retry-after'] = String(fault.retryAfter)
    return new Response(JSON.stringify(errorBody(fault.status, fault.retryAfter, fault.errorCode)), {
      status: fault.status,
      headers,
    })
  }
}
