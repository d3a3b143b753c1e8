import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import type { TurnControl, TurnEvent, TurnOpen } from '@yourclaw/proto/host/v1'

/** The part of a turn that a stream shows: the answer so far, and the result once there is one. */
export interface TurnView {
  text: string
  result?: TurnEvent
}

export interface TurnStream {
  /** Sends what is new in the view, as far as flow control allows; the rest follows by itself. */
  pump(): void
  cancel(): void
}

/**
 * Shows one turn on one RunTurn stream, from the answer's first character on. While the stream is full nothing is
 * written, and what came meanwhile goes out as one piece: a slow reader costs no memory beyond the answer itself.
 */
export function openTurnStream(input: {
  call: ClientDuplexStream<TurnEvent, TurnControl>
  open: TurnOpen
  view: TurnView
  /** Nothing more is read until what it returns has settled. */
  onControl: (control: TurnControl) => Promise<void> | undefined
  /** What it was given could not be taken: the stream is of no use any more. */
  onFailure: (error: unknown) => void
  /** Once, when the stream is over; `error` is absent after a regular end. */
  onEnd: (error?: ServiceError) => void
}): TurnStream {
  const { call, view } = input
  let seq = 0n
  let shown = 0
  let resultSent = false
  let writable = true
  let ended = false

  function write(body: TurnEvent['body']): void {
    seq += 1n
    writable = call.write({ seq, body })
  }
  function pump(): void {
    if (ended || !writable || resultSent) return
    if (shown < view.text.length) {
      const text = view.text.slice(shown)
      shown = view.text.length
      write({ $case: 'delta', delta: { text } })
    }
    if (writable && view.result) {
      resultSent = true
      write(view.result.body)
    }
  }
  function end(error?: ServiceError): void {
    if (ended) return
    ended = true
    call.end()
    input.onEnd(error)
  }

  call.on('data', (control: TurnControl) => {
    const taken = input.onControl(control)
    if (!taken) return
    call.pause()
    taken.then(
      () => call.resume(),
      (error: unknown) => {
        input.onFailure(error)
        call.cancel()
      },
    )
  })
  call.on('drain', () => {
    writable = true
    pump()
  })
  call.on('error', (error: ServiceError) => end(error))
  call.on('end', () => end())
  write({ $case: 'open', open: input.open })
  pump()
  return {
    pump,
    cancel() {
      ended = true
      call.cancel()
    },
  }
}
