import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { text } from 'node:stream/consumers'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createFirewall } from './firewall.ts'
import { inside, lacksDocker, run, startDocker, startInternet, tenantSubnet } from './testing.ts'

// Hostile probes from inside a real container. What must not be reached is there and answers, so that an open wall shows.
const skip = await lacksDocker()

/** A server of the host that somebody left open to everybody; it answers with what it was called with. */
async function startService() {
  const server = createServer(async (request, response) => {
    const key = request.headers['x-api-key']
    response.end(`served ${request.url} ${key} ${await text(request)}`)
  }).listen(0, '0.0.0.0')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** What a GET from within a container comes to. */
async function reaches(containerId: string, address: string): Promise<boolean> {
  const [host, port = '80'] = address.split(':')
  const said = await inside(containerId, `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${host} ${port}`)
  return said.startsWith('HTTP/1')
}

const hostAddress = () =>
  Object.entries(networkInterfaces())
    .filter(([name]) => !/^(ycl-|docker|lo|yc)/.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .find(({ family }) => family === 'IPv4')?.address ?? '127.0.0.1'

async function startTwo() {
  const port = await startService()
  const system = await startDocker({ modelUrl: `http://127.0.0.1:${port}` })
  const { runtime } = await system.agent()
  const up = async (spec: AssistantSpec) => {
    const { containerId, url } = await runtime.start(spec)
    const { hostname } = new URL(url)
    return {
      spec,
      containerId,
      address: hostname,
      gateway: hostname.replace(/\d+$/, (last) => `${Number(last) - 1}`),
    }
  }
  const [mine, other] = [await up(system.newSpec()), await up(system.newSpec())]
  return { ...system, port, mine, other }
}

test.skipIf(skip)(
  'S2, S4: from a container nothing is reached but the internet and its own model gateway',
  {
    timeout: 120_000,
  },
  async () => {
    const { port, mine, other } = await startTwo()
    const internet = await startInternet()
    const forbidden = [
      `${mine.gateway}:${port}`,
      `${other.gateway}:${port}`,
      `${hostAddress()}:${port}`,
      `172.17.0.1:${port}`,
      `${other.address}:18789`,
      '169.254.169.254',
      `${internet}:25`,
    ]
    const open = () =>
      Promise.all(forbidden.map(async (place) => ((await reaches(mine.containerId, place)) ? [place] : [])))
    expect((await open()).flat()).toEqual([])
    expect(await reaches(mine.containerId, internet)).toBe(true)

    // Its model gateway takes its own key alone.
    const asked = JSON.stringify({ model: 'claude-haiku-4-5-20251001', max_tokens: 5 })
    const call = (gateway: string, key: string) =>
      inside(
        mine.containerId,
        `timeout 5 wget -q -O - --header 'x-api-key: ${key}' --post-data '${asked}' http://${gateway}:18790/anthropic/v1/messages`,
      )
    expect(await call(mine.gateway, mine.spec.virtualKey)).toBe(
      `served /v1/messages sk-canary-of-the-provider ${asked}`,
    )
    expect(await call(mine.gateway, other.spec.virtualKey)).toContain('422')
    expect(await call(other.gateway, other.spec.virtualKey)).not.toContain('served')

    // The host reaches it, and without the rules the walls would be open: the probes see what they should.
    expect((await fetch(`http://${mine.address}:18789/readyz`)).status).toBe(200)
    const firewall = createFirewall({ tenantSubnet })
    // Again and again, since another test may start an assistant at this moment, and with it the rules.
    await vi.waitFor(
      async () => {
        await firewall.remove()
        expect(await run('iptables', '-S')).not.toContain('YOURCLAW')
        expect(await run('ip6tables', '-S')).not.toContain('YOURCLAW')
        expect(await reaches(mine.containerId, `${mine.gateway}:${port}`)).toBe(true)
        expect(await reaches(mine.containerId, `${internet}:25`)).toBe(true)
      },
      { timeout: 30_000, interval: 0 },
    )
    await firewall.ensure()
    expect((await open()).flat()).toEqual([])
  },
)

test.skipIf(skip)(
  'S2: rules stand first and once, whatever others did, and repeating them changes nothing',
  async () => {
    const firewall = createFirewall({ tenantSubnet })
    const inputs = async () =>
      (await run('iptables', '-S', 'INPUT')).split('\n').filter((rule) => rule.startsWith('-A'))
    await firewall.ensure()
    const ours = async () =>
      (await run('iptables', '-S')).split('\n').filter((rule) => rule.includes('YOURCLAW'))
    const before = await ours()
    await firewall.ensure()
    expect(await ours()).toEqual(before)
    const foreign = ['-p', 'tcp', '--dport', '65000', '-j', 'ACCEPT']
    await run('iptables', '-I', 'INPUT', '1', ...foreign)
    onTestFinished(async () => void (await run('iptables', '-D', 'INPUT', ...foreign)))
    await run('iptables', '-A', 'INPUT', '-j', 'YOURCLAW-INPUT')
    await firewall.ensure()
    const after = await inputs()
    expect(after[0]).toBe('-A INPUT -j YOURCLAW-INPUT')
    expect(after.filter((rule) => rule.includes('YOURCLAW'))).toHaveLength(1)
    expect(after.join()).toContain('65000')
    // Nothing of theirs goes by IPv6 either, whatever somebody enables.
    const v6 = async () => (await run('ip6tables', '-S')).split('\n').filter((rule) => /YOURCLAW/.test(rule))
    expect(await v6()).toEqual(
      expect.arrayContaining([
        '-A INPUT -j YOURCLAW-INPUT',
        '-A FORWARD -j YOURCLAW-FORWARD',
        '-A YOURCLAW-INPUT -i ycl-+ -j DROP',
        '-A YOURCLAW-FORWARD -i ycl-+ -j DROP',
        '-A YOURCLAW-FORWARD -o ycl-+ -j DROP',
      ]),
    )
    await firewall.ensure()
    expect(await v6()).toHaveLength(7)
  },
)

test.skipIf(skip)(
  'S2: inside a container there is no root, no capability, nothing foreign to write to, and no socket of Docker',
  async () => {
    const { mine } = await startTwo()
    const at = (script: string) => inside(mine.containerId, script)
    expect(await at('id -u; id -g')).toBe('1000\n1000')
    const status = await at("grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status")
    const held = Object.fromEntries(status.split('\n').map((line) => line.split(/:\s+/)))
    const none = '0000000000000000'
    expect(held).toEqual({
      CapInh: none,
      CapPrm: none,
      CapEff: none,
      CapBnd: none,
      CapAmb: none,
      NoNewPrivs: '1',
      Seccomp: '2',
    })
    const writable = await at(
      'for d in / /bin /etc /etc/openclaw /usr /var /www /sys /proc/sys /home /home/assistant /workspace /tmp; do touch $d/probe 2>/dev/null && echo $d; done',
    )
    expect(writable.split('\n').filter((line) => line.startsWith('/'))).toEqual([
      '/home/assistant',
      '/workspace',
      '/tmp',
    ])
    expect(await at('ls /var/run/docker.sock /run/docker.sock')).not.toMatch(/^\/\S*docker.sock$/m)
    expect(await at('mount -t tmpfs none /tmp')).toMatch(/permitted|denied/i)
    expect(await at('mknod /tmp/disk b 8 0')).toMatch(/permitted/i)
    expect(await at('ls /proc | grep -c "^[0-9]"')).toMatch(/^\d{1,2}$/)
  },
)

test.skipIf(skip)(
  'S2: a fork bomb ends at the limit of processes, and a memory bomb at the limit of memory',
  async () => {
    const system = await startDocker()
    const { runtime } = await system.agent()
    const limits = { memoryBytes: 64n * 2n ** 20n, cpuMillis: 0, pids: 50, logBytes: 0n }
    const { containerId, url } = await runtime.start(system.newSpec({ limits }))
    expect(await inside(containerId, 'tail /dev/zero; echo died $?')).toContain('died 137')
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    const bomb = 'n=0; while [ $n -lt 200 ]; do sleep 30 & n=$((n+1)); done; echo all'
    const said = await inside(containerId, bomb)
    expect(said).toContain("can't fork")
    expect(said).not.toContain('all')
    const { Processes } = await system.docker.getContainer(containerId).top()
    expect(Processes.length).toBeLessThanOrEqual(50)
  },
)
