import { loadIdentity } from '../identity/store.ts'
import { createClient } from '../link/session.ts'
import { type Check, type Finding, findingsOf, wordsOf } from './finding.ts'

const { ok, problem } = findingsOf('control plane')
const clock = findingsOf('clock')

const deadlineMs = 5_000
/** A session survives five minutes; more, and certificates look as if they were not valid yet, or any more. */
const worstSkewMs = 5 * 60_000
const notableSkewMs = 30_000

/** The API answers, the hosts' port takes this host's certificate, and both clocks agree. */
export function checkControlPlane(input: { url: string; stateDir: string; nowMs: () => number }): Check {
  return async () => [...(await checkApi(input)), ...(await checkGrpc(input.stateDir))]
}

async function checkApi({ url, nowMs }: { url: string; nowMs: () => number }): Promise<Finding[]> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(deadlineMs) })
    const answered = ok(`The API at ${url} answers.`)
    const date = Date.parse(response.headers.get('date') ?? '')
    return Number.isNaN(date) ? [answered] : [answered, judgeClock(nowMs() - date)]
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    return [
      problem(
        `The API at ${url} does not answer: ${wordsOf(cause)}\nCheck name, route and outbound firewall.`,
      ),
    ]
  }
}

function judgeClock(skewMs: number): Finding {
  const words = `This clock is ${Math.abs(Math.round(skewMs / 1000))} s ${skewMs < 0 ? 'behind' : 'ahead of'} the control plane’s.`
  const remedy = 'Look at: timedatectl'
  if (Math.abs(skewMs) >= worstSkewMs) return clock.problem(`${words}\n${remedy}`)
  if (Math.abs(skewMs) >= notableSkewMs) return clock.warning(`${words}\n${remedy}`)
  return clock.ok('This clock agrees with the control plane’s.')
}

/** Opens a connection and no session: the newest session wins, and the agent's own shall stand. */
async function checkGrpc(stateDir: string): Promise<Finding[]> {
  const identity = await loadIdentity(stateDir).catch(() => undefined)
  if (!identity) return []
  const client = createClient(identity)
  try {
    await new Promise<void>((resolve, reject) =>
      client.waitForReady(Date.now() + deadlineMs, (error) => (error ? reject(error) : resolve())),
    )
    return [ok(`The port for hosts at ${identity.grpcAddress} takes this host’s certificate.`)]
  } catch (error) {
    return [
      problem(
        `No connection to the port for hosts at ${identity.grpcAddress}: ${wordsOf(error)}\n` +
          'It must be reached as raw TCP: no proxy may end its TLS.',
      ),
    ]
  } finally {
    client.close()
  }
}
