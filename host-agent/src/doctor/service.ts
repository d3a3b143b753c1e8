import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Check, findingsOf } from './finding.ts'

const { ok, warning, problem } = findingsOf('service')

/** The agent runs as systemd's service and has a session. Says nothing where there is no systemd. */
export const checkService: Check = async () => {
  const shown = await promisify(execFile)('systemctl', [
    'show',
    'yourclaw-agent.service',
    '--property=LoadState,ActiveState,StatusText',
  ]).catch(() => undefined)
  if (!shown) return []
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(shown.stdout)?.[1] ?? ''
  if (value('LoadState') !== 'loaded') return [warning('The agent is not installed as a service here.')]
  const status = value('StatusText')
  if (value('ActiveState') !== 'active') {
    return [problem(`The agent is ${value('ActiveState')}.\nLook at: journalctl -u yourclaw-agent`)]
  }
  if (!status.startsWith('connected')) {
    return [problem(`The agent runs and has no session (${status}).\nLook at: journalctl -u yourclaw-agent`)]
  }
  return [ok(`The agent runs; ${status}.`)]
}
