import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ControlPlane, freePort, startSystem } from '@yourclaw/control-plane/testing'
import { createTestDatabase } from '@yourclaw/db/testing'
import { startSandbox } from '@yourclaw/sandbox'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { buildArtifact, makeDeadArtifact, renameArtifact } from './artifacts.ts'
import { type Machine, must, run, startMachine, whyNot } from './machine.ts'

// The life of one host, in order: each test goes on where the one before it ended.

const reason = await whyNot()
if (reason !== undefined) console.warn(`Installation tests are skipped: ${reason}.`)

const image = 'yourclaw-test-gateway:latest'
/** A play is some 50 steps of Python over SSH; on a machine that does much else each takes seconds. */
const slowMs = 600_000

/** Asks until it is so; what it was last is the error. */
async function until<T>(
  what: string,
  ask: () => Promise<T>,
  isSo: (answer: T) => boolean,
  deadlineMs = 120_000,
) {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    const answer = await ask()
    if (isSo(answer)) return answer
    if (Date.now() > deadline) throw new Error(`${what}: ${JSON.stringify(answer)}`)
    await pause(250)
  }
}

/** Whether a TCP connection opens within a second. */
function opens(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 1_000 })
    const end = (isOpen: boolean) => {
      socket.destroy()
      resolve(isOpen)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
}

describe.skipIf(reason !== undefined)('a host from its first minute to its last', () => {
  const closers: (() => Promise<unknown>)[] = []
  let machine: Machine
  let controlPlane: ControlPlane
  let token: string
  let person: { bearer: string; userId: string }
  let settings: Record<string, unknown>
  const artifacts = { first: '', second: '', dead: '' }

  const status = async () =>
    (await machine.shell('systemctl show yourclaw-agent -p StatusText --value')).output.trim()
  const assistant = async () => {
    const headers = { authorization: `Bearer ${person.bearer}` }
    const response = await fetch(`${controlPlane.apiUrl}/api/v1/assistants`, { headers })
    return z.object({ status: z.string(), host: z.string().optional() }).parse(await response.json())
  }
  const container = async () =>
    (
      await machine.shell(`docker inspect -f '{{.Id}} {{.State.Running}}' yourclaw-${person.userId}`)
    ).output.trim()
  const doctor = async () => {
    const { status, output } = await machine.shell('yourclaw-agent doctor --json')
    const schema = z.object({ findings: z.array(z.object({ state: z.string(), words: z.string() })) })
    const problems = schema.parse(JSON.parse(output)).findings.filter(({ state }) => state === 'problem')
    return { status, problems: problems.map(({ words }) => words) }
  }

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'install-'))
    closers.push(() => rm(folder, { recursive: true, force: true }))
    const building = (async () => {
      artifacts.first = await buildArtifact('0.1.0', folder)
      artifacts.second = await renameArtifact(artifacts.first, '0.2.0', folder)
      artifacts.dead = await makeDeadArtifact('0.3.0', folder)
      await must('docker', ['save', '--output', join(folder, 'image.tar'), image])
    })()
    machine = await startMachine()
    closers.push(machine.stop)

    const database = await createTestDatabase()
    closers.push(database.close)
    const sandbox = await startSandbox({ port: 0 })
    closers.push(sandbox.stop)
    const grpcPort = await freePort()
    controlPlane = await startSystem({
      databaseUrl: database.url,
      sandboxUrl: sandbox.url,
      settings: {
        LISTEN_ADDRESS: '0.0.0.0',
        GRPC_PORT: String(grpcPort),
        GRPC_PUBLIC_ADDRESS: `${machine.gateway}:${grpcPort}`,
      },
    })
    closers.push(controlPlane.stop)
    const people = await (await fetch(`${sandbox.url}/sim/people`)).json()
    const known = z.array(z.object({ bearer: z.string(), userId: z.string() })).parse(people)[0]
    if (!known) throw new Error('the sandbox has no people')
    person = known
    token = await controlPlane.joinToken()
    await building
    settings = {
      host_agent_control_plane_url: controlPlane.apiUrl.replace('127.0.0.1', machine.gateway),
      host_agent_artifact: artifacts.first,
      host_agent_image: image,
      host_agent_image_archive: join(folder, 'image.tar'),
      host_agent_connect_seconds: 20,
      // An engine in a container has no better one.
      docker_daemon_extra: { 'storage-driver': 'vfs' },
    }
  }, slowMs)

  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return
    const units = '-u yourclaw-agent -u yourclaw-agent-enroll -u docker'
    console.log((await machine.shell(`journalctl --no-pager -n 60 -o cat ${units}`)).output)
  })

  afterAll(async () => {
    for (const close of closers.reverse()) await close()
  }, slowMs)

  test(
    'S6: with a join token the host joins and runs assistants, and the token is nowhere on it',
    async () => {
      const { status: played, output } = await machine.play('site', {
        ...settings,
        host_agent_join_token: token,
      })
      expect(played, output).toBe(0)
      expect(output).not.toContain(token)
      expect(await status()).toMatch(/^connected; version 0\.1\.0; certificate [0-9A-F]+$/)
      expect(await until('the assistant', assistant, ({ status }) => status === 'READY')).toMatchObject({
        host: 'host-1',
      })
      expect(await container()).toMatch(/ true$/)
      const places = '/etc /opt /var/lib /var/log /var/tmp /home /root /run /tmp'
      expect(
        await machine.shell(`grep -rlsF '${token}' ${places}; journalctl | grep -F '${token}'`),
      ).toMatchObject({
        output: '',
      })
    },
    slowMs,
  )

  test(
    'a second run changes nothing and needs no token; neither does a check',
    async () => {
      const again = await machine.play('site', settings)
      expect(again.output).toMatch(/host-1 .*changed=0 .*failed=0/)
      const check = await machine.play('site', settings, '--check', '--diff')
      expect(check.output).toMatch(/host-1 .*changed=0 .*failed=0/)
    },
    slowMs,
  )

  test('S4: from outside only SSH is reached, by key alone, and doctor names whatever else listens', async () => {
    expect(await doctor()).toEqual({ status: 0, problems: [] })
    await machine.shell('setsid python3 -m http.server 8080 >/dev/null 2>&1 &')
    await until(
      'the server',
      () => machine.shell('ss -Hltn sport = :8080'),
      ({ output }) => output !== '',
    )
    expect(await opens(machine.address, 22)).toBe(true)
    expect(await opens(machine.address, 8080)).toBe(false)
    expect(await doctor()).toMatchObject({
      status: 1,
      problems: [expect.stringContaining('python3 listens for the outside on tcp 0.0.0.0:8080')],
    })
    await machine.shell('kill $(pidof python3)')
    const password = [
      '-o',
      'PubkeyAuthentication=no',
      '-o',
      'BatchMode=yes',
      '-o',
      'StrictHostKeyChecking=no',
    ]
    const refused = await run('ssh', [
      ...password,
      '-o',
      'UserKnownHostsFile=/dev/null',
      `admin@${machine.address}`,
    ])
    expect(refused.output).toContain('Permission denied (publickey)')
  })

  test(
    'a firewall that would lock its operator out takes itself away, and the next run puts a good one there',
    async () => {
      const wrong = { ...settings, base_ssh_port: 2222, base_firewall_confirm_seconds: 25 }
      expect((await machine.play('site', wrong, '--tags=firewall')).status).not.toBe(0)
      await until(
        'SSH',
        () => opens(machine.address, 22),
        (isOpen) => isOpen,
      )
      const right = await machine.play('site', settings, '--tags=firewall')
      expect(right.status, right.output).toBe(0)
      expect((await machine.shell('systemctl is-enabled yourclaw-firewall')).output.trim()).toBe('enabled')
    },
    slowMs,
  )

  test('the service has no more rights than it needs, and assistants are kept apart by rules of an agent that is not root', async () => {
    const { output } = await machine.shell(
      'cat /proc/$(systemctl show yourclaw-agent -p MainPID --value)/status',
    )
    expect(output).toMatch(/^NoNewPrivs:\s*1$/m)
    expect(output).not.toMatch(/^Uid:\s*0/m)
    // CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, NET_ADMIN (capability.h)
    expect(output).toMatch(/^CapBnd:\s*00000000000010eb$/m)
    const rules = await machine.shell('iptables -S')
    expect(rules.output).toContain('-A INPUT -j YOURCLAW-INPUT')
    expect(rules.output).toContain('-A DOCKER-USER -j YOURCLAW-FORWARD')
  })

  test('F9, S2: a Docker Engine that restarts takes no assistant with it, and the rules stand again', async () => {
    const before = await container()
    const jumps = ['iptables -D DOCKER-USER', 'iptables -D INPUT', 'ip6tables -D FORWARD']
    const flush = jumps.map((jump) => `${jump} -j YOURCLAW-${jump.includes('INPUT') ? 'INPUT' : 'FORWARD'}`)
    expect(await machine.shell(flush.join(' && '))).toMatchObject({ status: 0 })
    expect(await machine.shell('systemctl restart docker')).toMatchObject({ status: 0 })
    await until('a healthy host', doctor, ({ problems }) => problems.length === 0)
    expect((await machine.shell('ip6tables -S FORWARD')).output).toContain('-j YOURCLAW-FORWARD')
    expect(await container()).toBe(before)
  })

  test(
    'after a restart of the machine the firewall stands and assistants run again',
    async () => {
      await machine.reboot()
      await until('the session', status, (line) => line.startsWith('connected'))
      await until('the container', container, (line) => line.endsWith(' true'))
      await machine.shell('setsid python3 -m http.server 8080 >/dev/null 2>&1 &')
      await until(
        'the server',
        () => machine.shell('ss -Hltn sport = :8080'),
        ({ output }) => output !== '',
      )
      expect(await opens(machine.address, 8080)).toBe(false)
      await machine.shell('kill $(pidof python3)')
    },
    slowMs,
  )

  test(
    'F9: an upgrade runs the new version and leaves the running assistants untouched',
    async () => {
      const before = await container()
      const { status: played, output } = await machine.play('upgrade', {
        ...settings,
        host_agent_artifact: artifacts.second,
      })
      expect(played, output).toBe(0)
      expect(await status()).toMatch(/^connected; version 0\.2\.0;/)
      expect(await container()).toBe(before)
    },
    slowMs,
  )

  test(
    'a new version that does not connect makes way for the one before it, and the run fails',
    async () => {
      const before = await container()
      const { status: played, output } = await machine.play('upgrade', {
        ...settings,
        host_agent_artifact: artifacts.dead,
        host_agent_connect_seconds: 8,
      })
      expect(played).not.toBe(0)
      expect(output).toContain('0.2.0 runs again')
      expect(await status()).toMatch(/^connected; version 0\.2\.0;/)
      expect(await container()).toBe(before)
    },
    slowMs,
  )

  test(
    'S5: certificates are rotated, and the session stands on the new one',
    async () => {
      const before = await status()
      const { status: played, output } = await machine.play('rotate_certs', settings)
      expect(played, output).toBe(0)
      const after = await status()
      expect(after).toMatch(/^connected; version 0\.2\.0; certificate /)
      expect(after).not.toBe(before)
    },
    slowMs,
  )

  test(
    'uninstalling takes away all but people’s data and the identity, with which a new installation needs no token',
    async () => {
      const folder = `/data/yourclaw/${person.userId}`
      const first = await machine.play('uninstall', settings)
      expect(first.status, first.output).toBe(0)
      expect(
        (await machine.shell('docker ps --all --quiet; docker network ls -q --filter name=yourclaw')).output,
      ).toBe('')
      expect((await machine.shell('iptables -S; ip6tables -S')).output).not.toContain('YOURCLAW')
      expect(
        (await machine.shell('ls /opt/yourclaw-agent /etc/yourclaw-agent /usr/local/sbin')).output,
      ).not.toContain('0.2.0')
      expect((await machine.shell(`test -d ${folder}/workspace && echo kept`)).output.trim()).toBe('kept')
      const again = await machine.play(
        'site',
        { ...settings, host_agent_artifact: artifacts.second },
        '--tags=host_agent',
      )
      expect(again.status, again.output).toBe(0)
      await until('the container', container, (line) => line.endsWith(' true'))
    },
    slowMs,
  )

  test(
    'purging removes data and identity, too',
    async () => {
      const { status: played, output } = await machine.play('uninstall', {
        ...settings,
        host_agent_purge: true,
      })
      expect(played, output).toBe(0)
      expect(
        (await machine.shell('ls -d /data/yourclaw /var/lib/yourclaw-agent; id yourclaw-agent')).output,
      ).not.toMatch(/^(\/data|\/var|uid)/m)
      expect((await machine.shell('systemctl is-active yourclaw-firewall ssh')).output.trim()).toBe(
        'active\nactive',
      )
    },
    slowMs,
  )

  test(
    'a machine without identity and join token is told so, and no agent runs on it',
    async () => {
      const { status: played, output } = await machine.play('site', settings, '--tags=host_agent')
      expect(played).not.toBe(0)
      expect(output).toContain('This host has no valid certificate. Make a join token')
      expect((await machine.shell('systemctl is-active yourclaw-agent')).output.trim()).toBe('inactive')
    },
    slowMs,
  )
})
