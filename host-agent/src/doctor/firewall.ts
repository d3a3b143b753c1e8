import { resolve } from 'node:path'
import Docker from 'dockerode'
import { createFirewall } from '../runtime/docker/firewall.ts'
import { createLabels } from '../runtime/docker/labels.ts'
import { type Check, findingsOf, wordsOf } from './finding.ts'

const { ok, problem } = findingsOf('firewall')

/** The rules that keep assistants apart can be installed; and they stand, when an assistant runs. */
export function checkFirewall(input: { tenantSubnet: string; dataDir: string }): Check {
  return async () => {
    const firewall = createFirewall(input)
    try {
      await firewall.rehearse()
    } catch (error) {
      return [
        problem(
          `The rules that keep assistants apart cannot be installed: ${wordsOf(error)}\n` +
            'Until they can, no assistant starts. It takes iptables and root or CAP_NET_ADMIN.',
        ),
      ]
    }
    if (await firewall.stands()) return [ok('The rules that keep assistants apart stand.')]
    const filters = createLabels(resolve(input.dataDir)).filter()
    const running = await new Docker({ timeout: 5_000 }).listContainers({ filters }).catch(() => [])
    if (running.length === 0) {
      return [ok('The rules that keep assistants apart can be installed; the first assistant brings them.')]
    }
    return [
      problem(
        `${running.length} assistants run without the rules that keep them apart.\n` +
          'The agent puts them back within half a minute; if not: journalctl -u yourclaw-agent',
      ),
    ]
  }
}
