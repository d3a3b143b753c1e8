import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Holds a data folder for this process; two would take each other's database and host apart. Returns how to let go;
 * throws with a sentence for the person when somebody else who lives holds it.
 */
export function lockDataDir(dataDir: string): () => void {
  const file = join(dataDir, 'dev.pid')
  mkdirSync(dataDir, { recursive: true })
  const holder = readHolder(file)
  if (holder !== undefined && holder !== process.pid && isAlive(holder)) {
    throw new Error(
      `npm run dev (process ${holder}) runs with ${dataDir} already. Stop it, or choose another folder with --data DIR.`,
    )
  }
  writeFileSync(file, String(process.pid))
  return () => rmSync(file, { force: true })
}

function readHolder(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    // Nobody holds it.
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
