import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { AgentError } from '../../errors.ts'
import { filterTable, forwardChain, inputChain, rulesV4, rulesV6 } from './rules.ts'

export interface Firewall {
  /** Makes the rules stand, whatever was there; repeated, it changes nothing. Throws firewall_unavailable. */
  ensure(): Promise<void>
  /** Lets the kernel check the rules, and changes nothing; rejects when it would refuse them. */
  rehearse(): Promise<void>
  /** Whether the rules are there and asked first, as `ensure` leaves them. */
  stands(): Promise<boolean>
  /** Takes away all that `ensure` made. */
  remove(): Promise<void>
}

interface Family {
  command: 'iptables' | 'ip6tables'
  rules: string
  /** From which chain to which of ours. Docker leaves DOCKER-USER to others, and never flushes it. */
  jumps: [from: string, to: string][]
}

/** Rules in two chains of our own, so that nobody else's are touched, and none of ours are lost among them. */
export function createFirewall({ tenantSubnet }: { tenantSubnet: string }): Firewall {
  const v4: Family = {
    command: 'iptables',
    rules: rulesV4(tenantSubnet),
    jumps: [
      ['INPUT', inputChain],
      ['DOCKER-USER', forwardChain],
    ],
  }
  // Docker makes no DOCKER-USER for IPv6 unless it is told to.
  const v6: Family = {
    command: 'ip6tables',
    rules: rulesV6(),
    jumps: [
      ['INPUT', inputChain],
      ['FORWARD', forwardChain],
    ],
  }
  const families = async () => ((await hasIpv6()) ? [v4, v6] : [v4])
  let last: Promise<void> = Promise.resolve()
  /** One at a time: two that insert a jump would insert two. */
  const inTurn = (work: () => Promise<void>) => {
    last = last.catch(() => {}).then(work)
    return last
  }
  return {
    ensure: () =>
      inTurn(async () => {
        try {
          for (const family of await families()) await install(family)
        } catch (error) {
          throw new AgentError(
            'firewall_unavailable',
            'The firewall rules that keep assistants apart could not be installed.',
            { cause: error, retryable: true },
          )
        }
      }),
    rehearse: async () => {
      for (const { command, rules } of await families()) {
        await run(`${command}-restore`, ['--wait', '--noflush', '--test'], rules)
      }
    },
    stands: async () => {
      const standing = await Promise.all((await families()).map(isInstalled))
      return standing.every(Boolean)
    },
    remove: () =>
      inTurn(async () => {
        for (const family of await families()) await uninstall(family)
      }),
  }
}

async function install({ command, rules, jumps }: Family): Promise<void> {
  await restore(command, rules)
  for (const [from, to] of jumps) {
    const present = await jumpsIn(command, from, to)
    if (present.length === 1 && present[0] === 1) continue
    // First: an accept that somebody put before it would undo it. In one step, so that it is never away.
    const old = present.map(() => `-D ${from} -j ${to}`)
    await restore(command, filterTable([...old, `-I ${from} 1 -j ${to}`]))
  }
}

/** Every jump is its chain's first rule, and every chain as long as ours. */
async function isInstalled({ command, rules, jumps }: Family): Promise<boolean> {
  try {
    for (const [from, to] of jumps) {
      const present = await jumpsIn(command, from, to)
      const standing = appended(await run(command, ['--wait', '-S', to]), to)
      if (present.join() !== '1' || standing !== appended(rules, to)) return false
    }
    return true
  } catch {
    return false
  }
}

const appended = (rules: string, chain: string) =>
  rules.split('\n').filter((line) => line.startsWith(`-A ${chain} `)).length

async function uninstall({ command, jumps }: Family): Promise<void> {
  for (const [from, to] of jumps) {
    const present = await jumpsIn(command, from, to).catch(() => [])
    const known = await run(command, ['--wait', '-S', to]).catch(() => '')
    if (known === '') continue
    await restore(command, filterTable([...present.map(() => `-D ${from} -j ${to}`), `-F ${to}`, `-X ${to}`]))
  }
}

const restore = (command: string, rules: string) => run(`${command}-restore`, ['--wait', '--noflush'], rules)

/** Positions, from 1, of the rules that jump `from` a chain `to` another. */
async function jumpsIn(command: string, from: string, to: string): Promise<number[]> {
  const rules = (await run(command, ['--wait', '-S', from]))
    .split('\n')
    .filter((line) => line.startsWith('-A'))
  return rules.flatMap((rule, index) => (rule.trim() === `-A ${from} -j ${to}` ? [index + 1] : []))
}

const hasIpv6 = () =>
  access('/proc/net/if_inet6').then(
    () => true,
    () => false,
  )

function run(command: string, args: string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { timeout: 20_000 }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}
