/** What the row says once there is no assistant: no place, no secrets, no bounds of its own, no past. */
export const noAssistant = {
  status: 'NONE',
  desired: 'ABSENT',
  hostServerId: null,
  containerId: null,
  gatewayTokenEncrypted: null,
  virtualKeyEncrypted: null,
  lastErrorCode: null,
  lastErrorDetail: null,
  readyAt: null,
  memoryMb: null,
  cpuMillis: null,
  pids: null,
  logMb: null,
  image: null,
} as const
