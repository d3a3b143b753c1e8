import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import { AgentMessage, ServerMessage } from '@yourclaw/proto/host/v1'
import type { Random } from '../random.ts'
import type { VirtualClock } from './clock.ts'

/** How badly the network behaves now; a simulation changes it while it runs. Numbers are probabilities a message. */
export interface Weather {
  lost: number
  repeated: number
  overtaken: number
  maxLatencyMs: number
}

/** The control plane's end, as far as its session looks at it. */
class ServerEnd extends Duplex {
  cancelled = false
  private readonly transmit: (message: ServerMessage) => void
  private readonly finished: () => void

  constructor(transmit: (message: ServerMessage) => void, finished: () => void) {
    super({ objectMode: true })
    this.transmit = transmit
    this.finished = finished
    this.on('error', () => {})
  }
  override _read(): void {}
  override _write(message: ServerMessage, _encoding: string, done: () => void): void {
    this.transmit(message)
    done()
  }
  override _final(done: () => void): void {
    this.finished()
    done()
  }
  cancel(): void {
    if (this.cancelled || this.destroyed) return
    this.cancelled = true
    this.emit('cancelled')
    this.destroy()
  }
}

export interface Wire {
  /** The agent's end: what its session calls a client stream. */
  near: EventEmitter & { write(message: AgentMessage): boolean; end(): void; cancel(): void }
  far: ServerEnd
  /** Both ends are told. */
  cut(): void
  /** Nothing passes any more, and nobody is told: a cable that hangs in the air. */
  mute(direction: 'up' | 'down' | 'both'): void
  /** The control plane's end failed. */
  refuse(error: Error): void
}

/**
 * One session's stream between the two. Messages are encoded and decoded as on a real one; unlike a real one it may lose,
 * repeat and reorder them, since the session layer promises to notice.
 */
export function openWire(
  clock: VirtualClock,
  random: Random,
  weather: Weather,
  overhear: (message: AgentMessage) => void,
): Wire {
  const muted = { up: false, down: false }
  const lastAtMs = { up: 0, down: 0 }
  let over = false

  /** Delivers later, in order unless the weather says otherwise. */
  function carry(direction: 'up' | 'down', deliver: () => void, mayFail = false): void {
    if (mayFail && random.chance(weather.lost)) return
    const wanted = clock.now() + random.between(0, weather.maxLatencyMs)
    const overtakes = mayFail && random.chance(weather.overtaken)
    const atMs = overtakes ? wanted : Math.max(wanted, lastAtMs[direction])
    lastAtMs[direction] = Math.max(atMs, lastAtMs[direction])
    clock.after(atMs - clock.now(), () => !over && !muted[direction] && deliver())
    if (mayFail && random.chance(weather.repeated)) carry(direction, deliver)
  }

  const near: Wire['near'] = Object.assign(new EventEmitter(), {
    write(message: AgentMessage) {
      overhear(message)
      const bytes = AgentMessage.encode(message).finish()
      carry('up', () => far.destroyed || far.push(AgentMessage.decode(bytes)), true)
      return true
    },
    end: () => carry('up', () => far.destroyed || far.push(null)),
    cancel: () => carry('up', () => far.cancel()),
  })
  near.on('error', () => {})
  const far = new ServerEnd(
    (message) => {
      const bytes = ServerMessage.encode(message).finish()
      carry('down', () => near.emit('data', ServerMessage.decode(bytes)), true)
    },
    () => carry('down', () => near.emit('end')),
  )
  return {
    near,
    far,
    cut() {
      if (over) return
      over = true
      near.emit('error', new Error('cut'))
      far.cancel()
    },
    mute(direction) {
      muted.up ||= direction !== 'down'
      muted.down ||= direction !== 'up'
    },
    refuse: (error) => carry('down', () => near.emit('error', error)),
  }
}
