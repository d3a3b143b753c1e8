import { freemem, totalmem } from 'node:os'
import type { Capacity } from '@yourclaw/proto/host/v1'

/** What this host can hold and holds, as placement wants to know it. */
export function readCapacity(maxAssistants: number, currentAssistants: number): Capacity {
  return {
    maxAssistants,
    currentAssistants,
    memoryTotalBytes: BigInt(totalmem()),
    memoryFreeBytes: BigInt(freemem()),
  }
}
