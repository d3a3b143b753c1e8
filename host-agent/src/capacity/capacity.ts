import { statfsSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import type { Capacity } from '@yourclaw/proto/host/v1'

/** What this host can hold and holds, as placement and operators want to know it. */
export function readCapacity(input: {
  maxAssistants: number
  currentAssistants: number
  /** Assistants that run, that nobody names, and that wait for an operator's word. */
  heldOrphans: number
  /** Where the assistants' data lies. */
  dataDir: string
}): Capacity {
  const { dataDir, ...counts } = input
  return {
    ...counts,
    memoryTotalBytes: BigInt(totalmem()),
    memoryFreeBytes: BigInt(freemem()),
    ...readDisk(dataDir),
  }
}

/** The folder may not be there before the first assistant: then nothing is said. */
function readDisk(dataDir: string): Pick<Capacity, 'diskTotalBytes' | 'diskFreeBytes'> {
  try {
    const { blocks, bavail, bsize } = statfsSync(dataDir, { bigint: true })
    return { diskTotalBytes: blocks * bsize, diskFreeBytes: bavail * bsize }
  } catch {
    return { diskTotalBytes: 0n, diskFreeBytes: 0n }
  }
}
