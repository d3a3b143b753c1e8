import { beforeEach, expect, test, vi } from 'vitest'
import { Uploads, whyWaiting } from './uploads.svelte.ts'

/** The browser's request, answered by the test. */
class Request {
  static all: Request[] = []
  upload: { onprogress?: (event: { loaded: number; total: number }) => void } = {}
  status = 0
  response: unknown
  sent?: File
  onload?: () => void
  onerror?: () => void
  open() {}
  setRequestHeader() {}
  abort() {}
  send(file: File) {
    this.sent = file
    Request.all.push(this)
  }
  answer(status: number, response: unknown) {
    Object.assign(this, { status, response })
    this.onload?.()
  }
}
vi.stubGlobal('XMLHttpRequest', Request)
beforeEach(() => {
  Request.all = []
})

const file = (name: string, content = 'x') => new File([content], name)
const waitsFor = ({ missing }: Uploads) => missing && whyWaiting(missing)

test('a file that the network dropped stays, holds the message back, and goes when the network is back', () => {
  const uploads = new Uploads()
  uploads.add([file('pic.png'), file('note.txt')])
  expect(waitsFor(uploads)).toBe('“pic.png” is still being uploaded.')
  const [lost, done] = Request.all
  done?.answer(201, { id: 'note' })
  lost?.onerror?.()
  expect(waitsFor(uploads)).toBe('“pic.png” is not uploaded yet: try again or take it away.')

  expect(uploads.take()).toEqual([{ id: 'note' }])
  expect(uploads.all).toMatchObject([{ name: 'pic.png', isRetryable: true }])

  uploads.retryAll()
  expect(uploads.all).toEqual([{ id: 1, name: 'pic.png', progress: 0 }])
  expect(Request.all.map(({ sent }) => sent?.name)).toEqual(['pic.png', 'note.txt', 'pic.png'])
  Request.all[2]?.answer(201, { id: 'pic' })
  expect(uploads.missing).toBeUndefined()
  expect(uploads.take()).toEqual([{ id: 'pic' }])
  expect(uploads.all).toEqual([])
})

test('a refused file stays until it is taken away, and is not sent again', () => {
  const uploads = new Uploads()
  uploads.add([file('empty.txt', ''), file('odd.bin'), file('busy.txt')])
  Request.all[0]?.answer(415, { detail: 'We do not take such files.' })
  Request.all[1]?.answer(503, null)
  expect(uploads.all).toMatchObject([
    { problem: 'This file is empty.' },
    { problem: 'We do not take such files.', isRetryable: false },
    { problem: 'It was not taken.', isRetryable: true },
  ])
  expect(uploads.take()).toEqual([])
  expect(waitsFor(uploads)).toBe('“empty.txt” cannot be sent: take it away first.')
  uploads.retryAll()
  expect(Request.all.map(({ sent }) => sent?.name)).toEqual(['odd.bin', 'busy.txt', 'busy.txt'])
  for (const { id } of uploads.all) uploads.remove(id)
  expect(uploads.missing).toBeUndefined()
})
