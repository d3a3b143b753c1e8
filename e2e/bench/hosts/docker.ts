import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { until } from '../../src/until.ts'

export const assistantImage = 'yourclaw-openclaw:latest'
/** Ready at once and a few MB: what is measured with twenty of them is the agent. */
export const standInImage = 'yourclaw-test-gateway:latest'

export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('docker', args)
  return stdout.trim()
}

/** What an assistant's container is, started by hand: the same image, config, limits and command. Resolves when ready. */
export async function dockerRun(configDir: string): Promise<() => Promise<unknown>> {
  const own = ['/home/assistant', '/workspace'].flatMap((at) => ['--tmpfs', `${at}:rw,uid=1000,gid=1000`])
  const tmpfs = ['--tmpfs', '/tmp:rw,mode=1777', ...own]
  const id = await docker(
    ...['run', '--detach', '--init', '--memory', '2g', '--cpus', '1', '--pids-limit', '512', ...tmpfs],
    ...['--volume', `${configDir}:/etc/openclaw:ro`],
    ...['--env', 'OPENCLAW_NIX_MODE=1', '--env', 'OPENCLAW_CONFIG_PATH=/etc/openclaw/openclaw.json'],
    ...['--env', 'OPENCLAW_STATE_DIR=/home/assistant/.openclaw', assistantImage],
    ...['openclaw', 'gateway', '--port', '18789', '--bind', 'lan'],
  )
  const address = await docker(
    'inspect',
    '--format',
    '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
    id,
  )
  await until(async () => (await fetch(`http://${address}:18789/readyz`)).ok)
  return () => docker('rm', '--force', id)
}
