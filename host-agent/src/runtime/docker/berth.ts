import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import type { TenantNetwork } from './network.ts'

/** What a container is made for, and in which network. */
export interface Berth {
  spec: AssistantSpec
  image: string
  network: TenantNetwork
  /** False leaves the config as it lies there. */
  writesConfig: boolean
}

/** Whether two spec hashes differ in nothing but restarts that were asked for. */
export const isSameProfile = (one: string | undefined, other: string): boolean =>
  one?.split('.')[0] === other.split('.')[0]
