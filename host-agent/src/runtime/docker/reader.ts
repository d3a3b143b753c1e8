import { spawn } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import pLimit from 'p-limit'
import type { Rights } from './rights.ts'

/** Whose conversation, and with which rights it is opened; without any, with the agent's own. */
export interface Place {
  rights?: Rights
  home: string
  sessionKey: string
}

export interface Question {
  verb: 'exists' | 'end' | 'since'
  mark: string
}

/** One process that reads one conversation. */
export interface Reader {
  /** Once, before anything is asked. */
  open(place: Place): void
  /** One at a time; when an answer fails, the process is over. */
  ask(question: Question): Promise<unknown>
  isOver(): boolean
  end(): void
}

/** Beside this file, in the sources and in a bundle of them. */
const script = fileURLToPath(new URL(`./read-conversation${extname(import.meta.url)}`, import.meta.url))
const deadlineMs = 5_000
const maxAnswerLength = 4 * 2 ** 20

export function startReader(): Reader {
  // Nothing of the agent's environment but what its Node may need to start.
  const { LD_LIBRARY_PATH } = process.env
  const child = spawn(process.execPath, [script], {
    env: { LD_LIBRARY_PATH },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const inTurn = pLimit(1)
  let over = false
  const { promise: ended, reject: end } = Promise.withResolvers<never>()
  ended.catch(() => {})
  child.once('error', end)
  child.once('exit', () => end(new Error('the reader ended')))
  child.stdin.on('error', () => {})
  child.stdout.setEncoding('utf8')
  const write = (line: object) => child.stdin.write(`${JSON.stringify(line)}\n`)

  function nextLine(): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = ''
      const timer = setTimeout(() => reject(new Error('the reader is late')), deadlineMs)
      const take = (piece: string) => {
        text += piece
        if (text.length > maxAnswerLength) reject(new Error('the answer is too long'))
        if (!text.endsWith('\n')) return
        clearTimeout(timer)
        child.stdout.off('data', take)
        resolve(text)
      }
      child.stdout.on('data', take)
    })
  }
  function kill(): void {
    over = true
    child.kill('SIGKILL')
  }
  return {
    open: write,
    ask: (question) =>
      inTurn(async () => {
        try {
          const line = nextLine()
          write(question)
          return JSON.parse(await Promise.race([line, ended]))
        } catch (error) {
          kill()
          throw error
        }
      }),
    isOver: () => over,
    end: kill,
  }
}
