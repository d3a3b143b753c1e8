import { readFileSync, unlinkSync } from 'node:fs'
import { runControlPlane } from '@yourclaw/control-plane/testing'

/*
 * The control plane as a program that dies where it is told to: when CRASH_FILE holds the name of the step it is
 * about to take (`send:before`) or has just taken (`send:after`), it removes the file and kills itself.
 */
const crashFile = process.env.CRASH_FILE ?? ''

function dieAt(point: string): void {
  let armed: string
  try {
    armed = readFileSync(crashFile, 'utf8')
  } catch {
    // Not armed.
    return
  }
  if (armed !== point) return
  unlinkSync(crashFile)
  process.kill(process.pid, 'SIGKILL')
}

await runControlPlane(async (step, work) => {
  dieAt(`${step}:before`)
  const result = await work()
  dieAt(`${step}:after`)
  return result
})
