import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type FakeFaults, readEnv, startAgent } from '@yourclaw/host-agent/testing'

/*
 * The host agent as a program whose fake gateways can be killed: for each file in GATEWAY_KILLS one that takes a turn
 * removes it, ends in the middle of the turn, and leaves behind what a kill -9 would. No number of such ends is a
 * crash loop here.
 */
const kills = process.env.GATEWAY_KILLS ?? ''
const faults: FakeFaults = {
  get crashInRun() {
    const [kill] = readdirSync(kills)
    if (kill === undefined) return false
    rmSync(join(kills, kill))
    return true
  },
}
const agent = await startAgent(readEnv(process.env), {
  faults,
  crashes: { limit: Number.POSITIVE_INFINITY, baseMs: 1 },
})
process.once('SIGTERM', () => void agent.stop().then(() => process.exit(0)))
