import type { Ctx } from '../../context.ts'
import { changeHost, type HostInput } from './change-host.ts'

const wordMs = 10 * 60_000

/**
 * An operator's word that whatever runs on the host and is not placed there may be ended, even when it is more than the
 * fifth that an agent ends by itself. Good for ten minutes, or until it is done. Data stays. Errors: as changeHost.
 */
export function removeOrphans({ ctx, input }: { ctx: Ctx; input: HostInput }): Promise<void> {
  return changeHost(ctx, input, 'host.orphans_released', (tx, { id }) =>
    tx.hostServer.update({
      where: { id },
      data: { orphanRemovalUntil: new Date(ctx.clock.now() + wordMs) },
    }),
  )
}
