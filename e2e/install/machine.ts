import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const image = 'yourclaw-test-host'

export interface Outcome {
  status: number
  output: string
}

/** Runs a program and never rejects: whoever asked judges its status. */
export function run(
  command: string,
  args: string[],
  options: { input?: string; cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const { input = '', ...rest } = options
    const child = execFile(command, args, { maxBuffer: 64 * 2 ** 20, ...rest }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ status, output: stdout + stderr })
    })
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

/** As `run`, and a status other than 0 is an error that shows the output. */
export async function must(command: string, args: string[], options: Parameters<typeof run>[2] = {}) {
  const { status, output } = await run(command, args, options)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status}\n${output}`)
  return output.trim()
}

/** Why machines cannot be started here; undefined when they can. */
export async function whyNot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'they need root'
  if ((await run('docker', ['image', 'inspect', 'yourclaw-test-gateway:latest'])).status !== 0) {
    return 'they need a Docker Engine and its images: tools/ci/docker.sh start DIR'
  }
  if ((await run('ansible-playbook', ['--version'])).status !== 0) {
    return 'they need Ansible and an SSH client: tools/ci/ansible.sh'
  }
  return undefined
}

export interface Machine {
  id: string
  address: string
  /** Under which the machine reaches what runs beside it. */
  gateway: string
  /** What root's shell on it prints, whatever its status. */
  shell(script: string): Promise<Outcome>
  /** Plays one of the collection's playbooks against it, as its operator, by SSH. */
  play(playbook: string, settings: Record<string, unknown>, ...flags: string[]): Promise<Outcome>
  reboot(): Promise<void>
  stop(): Promise<void>
}

/** A fresh Debian of its own, in a container whose first process is systemd. */
export async function startMachine(): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'machine-'))
  await must('docker', ['build', '--quiet', '--tag', image, join(import.meta.dirname, 'host')])
  const flags = [
    ['--cap-add=SYS_ADMIN', '--cap-add=NET_ADMIN', '--cgroupns=private'],
    ['--security-opt=seccomp=unconfined', '--security-opt=apparmor=unconfined'],
    ['--tmpfs=/run', '--tmpfs=/run/lock', '--tmpfs=/tmp:exec', '--volume=/var/lib/docker'],
  ].flat()
  const id = await must('docker', ['run', '--detach', '--hostname=fresh', ...flags, image])
  const inspect = (format: string) => must('docker', ['inspect', '--format', format, id])
  const address = await inspect('{{.NetworkSettings.IPAddress}}')
  const shell = (script: string) => run('docker', ['exec', id, 'sh', '-c', script])

  const key = join(folder, 'key')
  await must('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  const publicKey = await readFile(`${key}.pub`, 'utf8')
  await must('docker', ['exec', '-i', id, 'tee', '/home/admin/.ssh/authorized_keys'], { input: publicKey })
  await shell('chown admin: /home/admin/.ssh/authorized_keys; chmod 600 /home/admin/.ssh/authorized_keys')

  const ssh = [
    '-i',
    key,
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'ConnectTimeout=5',
  ]
  const isUp = async () =>
    (await run('ssh', [...ssh, '-o', 'LogLevel=ERROR', `admin@${address}`, 'true'])).status === 0
  const waitUntilUp = async () => {
    const deadline = Date.now() + 60_000
    while (!(await isUp())) {
      if (Date.now() > deadline) throw new Error('the machine does not let its operator in')
      await pause(250)
    }
  }
  await waitUntilUp()

  // A collection is found by its path: ansible_collections/NAMESPACE/NAME.
  const collections = join(folder, 'collections')
  await mkdir(join(collections, 'ansible_collections/yourclaw'), { recursive: true })
  await symlink(join(root, 'infra/ansible'), join(collections, 'ansible_collections/yourclaw/hosts'))
  const host = { ansible_host: address, ansible_user: 'admin', ansible_ssh_private_key_file: key }
  const inventory = { yourclaw_hosts: { hosts: { 'host-1': host } } }
  await writeFile(join(folder, 'inventory.json'), JSON.stringify(inventory))
  const env = {
    ...process.env,
    ANSIBLE_COLLECTIONS_PATH: collections,
    ANSIBLE_HOME: join(folder, 'ansible'),
    ANSIBLE_HOST_KEY_CHECKING: 'false',
    ANSIBLE_PIPELINING: 'true',
    ANSIBLE_NOCOLOR: 'true',
    // The path of its socket has to be short.
    ANSIBLE_SSH_CONTROL_PATH_DIR: join(folder, 'cp'),
    LC_ALL: 'C.UTF-8',
  }
  return {
    id,
    address,
    gateway: await inspect('{{.NetworkSettings.Gateway}}'),
    shell,
    async play(playbook, settings, ...flags) {
      const file = join(folder, 'settings.json')
      await writeFile(file, JSON.stringify(settings))
      const inventoryFile = join(folder, 'inventory.json')
      const args = ['-i', inventoryFile, `yourclaw.hosts.${playbook}`, '-e', `@${file}`, ...flags]
      return run('ansible-playbook', args, { env, cwd: folder })
    },
    async reboot() {
      await must('docker', ['restart', '--time=60', id])
      await waitUntilUp()
    },
    async stop() {
      await run('docker', ['rm', '--force', '--volumes', id])
      await rm(folder, { recursive: true, force: true })
    },
  }
}
