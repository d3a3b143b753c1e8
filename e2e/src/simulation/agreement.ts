import type { Machine } from './machine.ts'
import type { HostRow, Row } from './store.ts'

/** What the control plane may never come to believe, however stale the report was. */
export function checkBelief(
  before: Row,
  after: Row,
  machine: Machine | undefined,
  broken: (what: string) => void,
): void {
  const { id } = after
  if (after.observedGeneration < before.observedGeneration)
    broken(`${id}: observed an older generation again`)
  if (after.observedGeneration > after.desiredGeneration) broken(`${id}: observed what nobody asked for`)
  if (after.desired !== before.desired && before.desired !== 'ABSENT')
    broken(`${id}: a report changed what is wanted`)
  if (after.status === 'NONE' && (machine?.containers.has(id) || machine?.data.has(id))) {
    broken(`${id}: counts as deleted and is still there`)
  }
  if (after.desired === 'ABSENT' && after.status === 'READY' && before.status !== 'READY') {
    broken(`${id}: ready while it is being deleted`)
  }
  const asksAgain = after.desiredGeneration > before.desiredGeneration || after.status === 'ERROR'
  if (asksAgain && before.status !== 'ERROR' && after.observedGeneration !== before.desiredGeneration) {
    broken(`${id}: a stale failure counted`)
  }
}

/** What is not yet as it should be; empty when desired and observed are one. */
export function differences(
  rows: Map<string, Row>,
  hosts: Map<string, HostRow>,
  machines: Map<string, Machine>,
): string[] {
  const found: string[] = []
  for (const row of rows.values()) {
    const at = [...machines.keys()].filter((hostId) => machines.get(hostId)?.containers.has(row.id))
    const wanted = row.desired === 'PRESENT' && !row.suspended
    const say = (what: string) => found.push(`${row.id}: ${what}`)
    if (row.job) say(`its job is open`)
    if (row.status !== 'NONE' && row.observedGeneration !== row.desiredGeneration) say('generations differ')
    if (row.desired === 'ABSENT') {
      if (row.status !== 'NONE') say(`is ${row.status} and should be gone`)
      if ([...machines.values()].some((machine) => machine.data.has(row.id))) say('left data behind')
    } else if (row.status !== 'READY' && !row.suspended) say(`is ${row.status}`)
    if (at.length !== (wanted ? 1 : 0)) say(`runs on ${at.join(' and ') || 'no host'}`)
    if (wanted && at[0] !== row.hostServerId) say('runs on the wrong host')
    const running = machines.get(at[0] ?? '')?.containers.get(row.id)
    if (running && running.spec.model !== row.model) say('runs the wrong model')
    if (running && running.restartCount !== row.restartCount) say('missed a restart')
  }
  for (const [hostId, host] of hosts) {
    const placed = [...rows.values()].filter((row) => row.hostServerId === hostId).length
    if (placed !== host.taken) found.push(`${hostId}: ${host.taken} slots taken by ${placed} assistants`)
    if (placed > host.slots) found.push(`${hostId}: over-booked`)
  }
  return found
}
