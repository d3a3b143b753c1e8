import { createHash } from 'node:crypto'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import type { ContainerCreateOptions } from 'dockerode'
import type { Places } from '../openclaw/config.ts'
import type { Folders } from './folders.ts'
import type { Labels } from './labels.ts'
import type { TenantNetwork } from './network.ts'

export const gatewayPort = 18_789
/** Of the image's user, in numbers: the host knows it under another name, or none. */
export const tenantUid = 1000

/** Where a container sees its folders. */
export const containerPlaces: Places = { home: '/home/assistant', workspace: '/workspace' }
/** Where it sees its config and what belongs to that. */
export const configMount = '/etc/openclaw'

const mebibyte = 2 ** 20
/** What 0 in a spec stands for. */
const defaults = { memoryBytes: 2048 * mebibyte, cpuMillis: 1000, pids: 512 }
/** Of two files each, of which the older goes when the newer is full. */
const defaultLog = { 'max-size': '10m', 'max-file': '2' }

/** Docker's names for a spec's limits. All of them can change while the container runs. */
export function limitsOf(spec: AssistantSpec) {
  const memory = Number(spec.limits?.memoryBytes ?? 0) || defaults.memoryBytes
  return {
    Memory: memory,
    // With swap as much again: what sleeps is to move out of memory as a whole.
    MemorySwap: 2 * memory,
    NanoCpus: (spec.limits?.cpuMillis || defaults.cpuMillis) * 1_000_000,
    PidsLimit: spec.limits?.pids || defaults.pids,
  }
}

/** Docker cannot change it under a container, so one that runs keeps its own: it takes effect with the next. */
const logOf = (spec: AssistantSpec) => {
  const bytes = Number(spec.limits?.logBytes ?? 0)
  return {
    Type: 'json-file',
    Config: bytes === 0 ? defaultLog : { ...defaultLog, 'max-size': String(Math.ceil(bytes / 2)) },
  }
}

interface ContainerInput {
  spec: AssistantSpec
  image: string
  network: TenantNetwork
  folders: Folders
}

/**
 * The locked container of one assistant: no capability, no new privilege, nothing to write to but its own two folders
 * and a bounded /tmp, a network of its own and no published port. Docker's default seccomp profile stays on.
 * Restart policy `no`: the agent starts it, after the firewall's rules stand.
 */
function profile({ image, network, folders }: ContainerInput) {
  const { home, workspace } = containerPlaces
  return {
    Image: image,
    // The command line of the original design; the config says the same.
    Cmd: ['openclaw', 'gateway', '--port', String(gatewayPort), '--bind', 'lan'],
    User: `${tenantUid}:${tenantUid}`,
    Hostname: 'assistant',
    WorkingDir: workspace,
    Env: [
      `HOME=${home}`,
      `XDG_CACHE_HOME=${home}/.openclaw/cache`,
      // The config is the agent's to write. OpenClaw calls this its Nix mode; see its docs, install/nix.
      'OPENCLAW_NIX_MODE=1',
      `OPENCLAW_CONFIG_PATH=${configMount}/openclaw.json`,
      `OPENCLAW_STATE_DIR=${home}/.openclaw`,
    ],
    HostConfig: {
      // It reaps what the assistant's tools leave behind; Node would not.
      Init: true,
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      CgroupnsMode: 'private' as const,
      IpcMode: 'private',
      Mounts: [
        mount(folders.home, home),
        mount(folders.workspace, workspace),
        { ...mount(folders.config, configMount), ReadOnly: true },
      ],
      Tmpfs: { '/tmp': 'rw,nosuid,nodev,size=256m,mode=1777' },
      LogConfig: { Type: 'json-file', Config: defaultLog },
      RestartPolicy: { Name: 'no' as const },
      NetworkMode: network.name,
    },
    NetworkingConfig: {
      EndpointsConfig: { [network.name]: { IPAMConfig: { IPv4Address: network.address } } },
    },
  }
}

const mount = (Source: string, Target: string) => ({ Type: 'bind' as const, Source, Target })

/** Names, before its dot and with restarts that were asked for after it, all that only a new container can change; what carries another is not adopted. */
export function specHash(input: ContainerInput): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(profile(input)))
    .digest('hex')
  return `${digest.slice(0, 16)}.${input.spec.restartCount}`
}

/** The config is looked at by the very image that is to run it, on a copy of the state, and with no network at all. */
export function trialOptions(input: ContainerInput, labels: Labels): ContainerCreateOptions {
  const { HostConfig, NetworkingConfig: _, ...rest } = profile(input)
  return {
    name: trialName(input.spec),
    ...rest,
    Cmd: ['openclaw', 'config', 'validate'],
    HostConfig: { ...HostConfig, ...limitsOf(input.spec), NetworkMode: 'none' },
    Labels: labels.of(input.spec.assistantId),
  }
}

/** What Docker is asked to create; named after the user, so that there is never a second one. */
export function containerOptions(input: ContainerInput, labels: Labels): ContainerCreateOptions {
  const { spec } = input
  const { HostConfig, ...rest } = profile(input)
  return {
    name: containerName(spec),
    ...rest,
    HostConfig: { ...HostConfig, ...limitsOf(spec), LogConfig: logOf(spec) },
    Labels: labels.ofContainer(spec.assistantId, spec.generation, specHash(input)),
  }
}

export const containerName = (spec: AssistantSpec) => `yourclaw-${spec.userId}`
/** No user id has a dot. */
export const trialName = (spec: AssistantSpec) => `${containerName(spec)}.trial`
