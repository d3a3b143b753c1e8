import { type FleetDeps, fleetTiming, runFleetSession, type Sessions } from '@yourclaw/control-plane/testing'
import { pino } from 'pino'
import { seededRandom } from '../random.ts'
import { installClock } from './clock.ts'
import { createMachine, type Machine } from './machine.ts'
import { createStore, type Row } from './store.ts'
import { openWire, type Wire } from './wire.ts'

const people = ['ada', 'ben', 'cleo', 'dan']
const hostIds = ['host-1', 'host-2']
const slots = 2
const steps = 80
const healMs = 30 * 60_000

/**
 * One life of two hosts, two replicas and four people, decided by the seed: bad weather, crashes, changes of mind. Then
 * everything heals, and desired and observed must become one. Throws what was broken, with what happened before.
 */
export async function simulate(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const clock = installClock(random.next)
  try {
    await live(seed, random, clock)
  } finally {
    clock.uninstall()
  }
}

async function live(
  seed: number,
  random: ReturnType<typeof seededRandom>,
  clock: ReturnType<typeof installClock>,
): Promise<void> {
  const history: string[] = []
  const startMs = clock.now()
  const tell = (what: string) => history.push(`${((clock.now() - startMs) / 1000).toFixed(3)} s  ${what}`)
  let failure: string | undefined
  const broken = (what: string) => {
    tell(`BROKEN: ${what}`)
    failure ??= what
  }
  const check = () => {
    if (failure)
      throw new Error(`SEED=${seed}: ${failure}\n${history.slice(process.env.SEED ? 0 : -60).join('\n')}`)
  }

  const weather = { lost: 0.02, repeated: 0.05, overtaken: 0.02, maxLatencyMs: 400 }
  const trouble = { fails: 0.01, nudgeLost: 0.2 }
  const wear = { fails: 0.1, maxDelayMs: 8_000 }
  const store = createStore(clock, random, trouble)
  const log = pino({ level: 'silent' })
  const sessionLog = pino({ level: 'debug', base: null }, { write: (line) => tell(line.trim()) })
  const wires = new Map<Wire, number>()
  const deps = (replica: string) =>
    ({
      ctx: { clock, log: process.env.SEED ? sessionLog : log },
      hosts: store.verbs,
      notifications: store.notifications,
      conversation: {
        claimTurns: async () => ({ turns: [], passedOver: false }),
        adoptTurns: async () => [],
        turnsToStop: async () => [],
      },
      sharedKeys: [],
      replica,
      maxTurnsPerHost: 1,
      timing: fleetTiming,
    }) as unknown as FleetDeps
  const replicas = ['replica-1', 'replica-2'].map((name) => ({
    deps: deps(name),
    sessions: new Map() as Sessions,
  }))

  const launched = new Map<string, number>()
  const stopped = new Map<string, number>()
  function connect(hostId: string): Wire {
    const replica = random.pick(replicas.map((_, index) => index))
    const chosen = replicas[replica]
    if (!chosen) throw new Error('unreachable')
    const wire = openWire(clock, random, weather)
    wires.set(wire, replica)
    const host = { hostId, serial: '01', notAfter: new Date(clock.now() + 86_400_000) }
    runFleetSession(chosen.deps, chosen.sessions, wire.far as never, host)
      .then(
        () => wire.far.end(),
        (error: Error) => wire.refuse(error),
      )
      .finally(() => wires.delete(wire))
    return wire
  }
  const machines = new Map<string, Machine>()
  for (const hostId of hostIds) {
    store.hosts.set(hostId, { slots, taken: 0, epoch: 0n, leaseExpiresAtMs: 0 })
    const machine = createMachine({
      clock,
      random,
      wear,
      slots,
      log: log,
      connect: () => connect(hostId),
      broken,
      note(what, id) {
        tell(`${hostId}: ${id} ${what}`)
        const counts = what === 'launched' ? launched : stopped
        counts.set(id, (counts.get(id) ?? 0) + 1)
        const row = store.rows.get(id)
        if (!row) return broken(`${id} ${what} and nobody ever asked for it`)
        if (what === 'launched' && row.status === 'NONE')
          broken(`${id} launched after its deletion was confirmed`)
        if (what === 'launched') {
          const elsewhere = [...machines].some(([other, at]) => other !== hostId && at.containers.has(id))
          if (elsewhere) broken(`${id} runs on two hosts`)
        }
        if ((stopped.get(id) ?? 0) > row.stopCauses) broken(`${id} was healthy and stopped without cause`)
      },
    })
    machines.set(hostId, machine)
  }

  /** What is not yet as it should be; empty when desired and observed are one. */
  function differences(): string[] {
    const found: string[] = []
    for (const row of store.rows.values()) {
      const at = hostIds.filter((hostId) => machines.get(hostId)?.containers.has(row.id))
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
    for (const [hostId, host] of store.hosts) {
      const placed = [...store.rows.values()].filter((row) => row.hostServerId === hostId).length
      if (placed !== host.taken) found.push(`${hostId}: ${host.taken} slots taken by ${placed} assistants`)
      if (placed > slots) found.push(`${hostId}: over-booked`)
    }
    return found
  }

  const rowOf = (): Row | undefined => store.rows.get(random.pick(people))
  const machineOf = () => {
    const machine = machines.get(random.pick(hostIds))
    if (!machine) throw new Error('unreachable')
    return machine
  }
  const withRow = (act: (row: Row) => void) => () => {
    const row = rowOf()
    if (row) act(row)
  }
  const actions: [number, string, () => void][] = [
    [8, 'create', () => store.people.create(random.pick(people))],
    [3, 'delete', withRow(store.people.remove)],
    [3, 'model', withRow((row) => store.people.choose(row, random.pick(['anthropic/a', 'openai/b'])))],
    [2, 'restart', withRow(store.people.restart)],
    [2, 'suspend', withRow((row) => store.people.suspend(row, !row.suspended))],
    [
      4,
      'crash',
      () => {
        const machine = machineOf()
        const [id] = [...machine.containers.keys()]
        if (id) machine.crash(id)
      },
    ],
    [2, 'cut', () => machineOf().wire()?.cut()],
    [
      2,
      'mute',
      () =>
        machineOf()
          .wire()
          ?.mute(random.pick(['up', 'down', 'both'])),
    ],
    [1, 'agent killed', () => machineOf().restartAgent()],
    [
      1,
      'replica killed',
      () => {
        const index = random.pick([0, 1])
        replicas[index]?.sessions.clear()
        for (const [wire, replica] of wires) if (replica === index) wire.cut()
      },
    ],
    [1, 'second session', () => void connect(random.pick(hostIds)).near.write(helloAgain())],
  ]
  const bag = actions.flatMap(([weight, name, act]) => Array.from({ length: weight }, () => ({ name, act })))

  for (let step = 0; step < steps; step++) {
    await clock.advance(random.chance(0.3) ? random.between(0, 300) : random.between(0, 20_000))
    weather.maxLatencyMs = random.pick([20, 400, 5_000])
    const { name, act } = random.pick(bag)
    tell(name)
    act()
    check()
  }

  tell('everything heals')
  Object.assign(weather, { lost: 0, repeated: 0, overtaken: 0 })
  Object.assign(trouble, { fails: 0 })
  Object.assign(wear, { fails: 0 })
  const deadlineMs = clock.now() + healMs
  while (differences().length > 0 && clock.now() < deadlineMs) {
    await clock.advance(20_000)
    check()
    for (const row of store.rows.values()) {
      if (row.status !== 'ERROR') continue
      if (row.desired === 'ABSENT') store.people.remove(row)
      else store.people.create(row.id)
    }
  }
  for (const difference of differences()) broken(`did not converge: ${difference}`)
  check()

  tell('nothing more may happen')
  const before = [...machines.values()].map((machine) => machine.changes())
  for (const machine of machines.values()) machine.wire()?.cut()
  await clock.advance(fleetTiming.resyncMs + 60_000)
  const after = [...machines.values()].map((machine) => machine.changes())
  if (String(before) !== String(after)) broken('hosts went on changing what was as desired')
  for (const difference of differences()) broken(`did not stay: ${difference}`)
  check()
  for (const machine of machines.values()) machine.stop()
  await clock.advance(60_000)
}

/** What a second agent with the same certificate would say: it sees nothing and then falls silent. */
const helloAgain = () => ({
  seq: 1n,
  ack: 0n,
  body: {
    $case: 'hello' as const,
    hello: {
      agentVersion: '1.0.0',
      protocolVersions: [1],
      capabilities: [],
      runtime: 'fake',
      ip: '',
      capacity: undefined,
      observed: [],
      heldTurns: [],
    },
  },
})
