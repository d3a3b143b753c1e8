import { setTimeout as delay } from 'node:timers/promises'
import type { Ctx } from '../../context.ts'
import { placeWaiting } from '../assistant/place-waiting.ts'
import { changeHost, type HostInput } from './change-host.ts'

/** Whoever places at that moment may not have seen the host yet; after these looks it is left to the sweep. */
const maxLooks = 30
const lookMs = 100

/** The host takes no new assistant from now on; those it has go on. Idempotent. Errors: as changeHost. */
export function cordonHost({ ctx, input }: { ctx: Ctx; input: HostInput }): Promise<void> {
  return changeHost(ctx, input, 'host.cordoned', (tx, { id }) =>
    tx.hostServer.update({ where: { id }, data: { state: 'CORDONED' } }),
  )
}

/** It takes new assistants again, first those that wait. Idempotent. Errors: as changeHost. */
export async function uncordonHost({ ctx, input }: { ctx: Ctx; input: HostInput }): Promise<void> {
  await changeHost(ctx, input, 'host.uncordoned', (tx, { id }) =>
    tx.hostServer.update({ where: { id }, data: { state: 'ACTIVE' } }),
  )
  for (let looks = 0; looks < maxLooks && (await placeWaiting({ ctx })).passedOver; looks++)
    await delay(lookMs)
}
