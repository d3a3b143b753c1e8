import { type FleetDeps, fleetTiming, runFleetSession, type Sessions } from '@yourclaw/control-plane/testing'
import type { Observed } from '@yourclaw/proto/host/v1'
import { pino } from 'pino'
import { seededRandom } from '../random.ts'
import { checkBelief, differences } from './agreement.ts'
import { installClock } from './clock.ts'
import { createMachine, type Machine } from './machine.ts'
import { createStore, type Row } from './store.ts'
import { openWire, type Wire } from './wire.ts'

const people = ['ada', 'ben', 'cleo', 'dan']
const hostIds = ['host-1', 'host-2']
const slots = 2
const steps = 80
/** Enough for leases, sweeps and retries, and too little for the next resync. */
const healMs = 5 * 60_000

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

  // A wire that loses messages may need a resync; in every other life nothing is lost but by cuts.
  const lossy = seed % 2 === 0
  const badness = lossy ? 0.02 : 0
  const weather = { lost: badness, repeated: 0.05, overtaken: badness, maxLatencyMs: 400 }
  const trouble = { fails: 0.01, nudgeLost: 0.2 }
  const wear = { fails: 0.1, maxDelayMs: 8_000 }
  const machines = new Map<string, Machine>()
  const open = () => differences(store.rows, store.hosts, machines)
  const store = createStore(clock, random, trouble, (hostId, before, after) =>
    checkBelief(before, after, machines.get(hostId), broken),
  )
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
        runningTurns: async () => [],
        turnsToStop: async () => [],
      },
      hostsHere: new Map(),
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
  let sessionsOpened = 0
  const said = new Map<string, Observed[]>()
  function connect(hostId: string): Wire {
    const replica = random.pick(replicas.map((_, index) => index))
    const chosen = replicas[replica]
    if (!chosen) throw new Error('unreachable')
    sessionsOpened += 1
    const wire = openWire(clock, random, weather, ({ body }) => {
      if (body?.$case === 'observed') said.set(hostId, [...(said.get(hostId) ?? []), body.observed])
    })
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
    [
      1,
      'second session',
      () => {
        const hostId = random.pick(hostIds)
        const past = said.get(hostId) ?? []
        const repeated = past.length > 0 ? [1, 2, 3].map(() => random.pick(past)) : []
        connect(hostId).near.write(helloAgain(repeated))
      },
    ],
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
  const deadlineMs = clock.now() + healMs + (lossy ? fleetTiming.resyncMs : 0)
  while (open().length > 0 && clock.now() < deadlineMs) {
    await clock.advance(20_000)
    check()
    for (const row of store.rows.values()) {
      if (row.status !== 'ERROR') continue
      if (row.desired === 'ABSENT') store.people.remove(row)
      else store.people.create(row.id)
    }
  }
  for (const difference of open()) broken(`did not converge: ${difference}`)
  check()

  tell('nothing more may happen')
  const before = [...machines.values()].map((machine) => machine.changes())
  for (const machine of machines.values()) machine.wire()?.cut()
  await clock.advance(60_000)
  const opened = sessionsOpened
  await clock.advance(fleetTiming.resyncMs)
  if (sessionsOpened !== opened) broken('sessions ended though nothing was wrong')
  const after = [...machines.values()].map((machine) => machine.changes())
  if (String(before) !== String(after)) broken('hosts went on changing what was as desired')
  for (const difference of open()) broken(`did not stay: ${difference}`)
  check()
  for (const machine of machines.values()) machine.stop()
  await clock.advance(60_000)
}

/** What a second agent with the same certificate would say, say a copy of the machine: old news, and then nothing. */
const helloAgain = (observed: Observed[]) => ({
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
      observed,
      heldTurns: [],
    },
  },
})
