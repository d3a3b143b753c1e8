import type { AgentEnv } from '../env.ts'
import { checkCertificate } from './certificate.ts'
import { checkControlPlane } from './control-plane.ts'
import { checkDisk } from './disk.ts'
import { checkDocker } from './docker.ts'
import type { Check, Finding } from './finding.ts'
import { checkFirewall } from './firewall.ts'
import { checkListening } from './listening.ts'
import { checkService } from './service.ts'

/** All that can be said of this host without changing it, all checks at once. */
export async function examine(env: AgentEnv, nowMs = Date.now): Promise<Finding[]> {
  const checks: Check[] = [
    checkService,
    ...(env.RUNTIME === 'docker'
      ? [
          checkDocker(env.ASSISTANT_IMAGE),
          checkFirewall({ tenantSubnet: env.TENANT_SUBNET, dataDir: env.ASSISTANT_DATA_DIR }),
        ]
      : []),
    checkListening(env.TENANT_SUBNET),
    checkDisk([env.STATE_DIR, env.ASSISTANT_DATA_DIR]),
    checkCertificate(env.STATE_DIR, nowMs),
    checkControlPlane({ url: env.CONTROL_PLANE_URL, stateDir: env.STATE_DIR, nowMs }),
  ]
  return (await Promise.all(checks.map((check) => check()))).flat()
}
