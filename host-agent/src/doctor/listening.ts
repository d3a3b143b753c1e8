import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { modelGatewayPort } from '../runtime/docker/rules.ts'
import { type Check, findingsOf } from './finding.ts'

const { ok, problem } = findingsOf('listening')

export interface Socket {
  protocol: 'tcp' | 'udp'
  address: string
  port: number
  inode: string
}

const sshPort = 22
/** A lease is asked for from these. */
const dhcpClientPorts = [68, 546]
const tcpListen = '0A'
const udpUnconnected = '07'

/**
 * S4: nothing but the operator's own SSH waits for the outside, proved from the kernel's list of sockets. What listens
 * on loopback is nobody's from outside; the model gateway has an address of each assistant's own bridge.
 */
export function checkListening(tenantSubnet: string): Check {
  return async () => {
    const open = (await listeningSockets()).filter((socket) => isReachable(socket, tenantSubnet))
    const owners = await ownersOf(new Set(open.map(({ inode }) => inode)))
    const others = open.filter((socket) => !isExpected(socket, owners.get(socket.inode)))
    if (others.length === 0) {
      const ssh = open.length > 0 ? 'nothing but SSH' : 'nothing'
      return [ok(`For the outside listens ${ssh}.`)]
    }
    return others.map((socket) => {
      const owner = owners.get(socket.inode) ?? 'an unknown program'
      return problem(
        `${owner} listens for the outside on ${socket.protocol} ${socket.address}:${socket.port}.\n` +
          'Stop it, or let it listen on 127.0.0.1; a container must publish no port.',
      )
    })
  }
}

export function isReachable({ address, port }: Socket, tenantSubnet: string): boolean {
  if (address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.')) return false
  return !(port === modelGatewayPort && inSubnet(address, tenantSubnet))
}

function isExpected({ protocol, port }: Socket, owner: string | undefined): boolean {
  if (protocol === 'udp') return dhcpClientPorts.includes(port)
  // On another port it shows by its name, which only root sees of every program.
  return owner === 'sshd' || (port === sshPort && (owner === undefined || owner === 'systemd'))
}

async function listeningSockets(): Promise<Socket[]> {
  const tables = ['tcp', 'tcp6', 'udp', 'udp6']
  const texts = await Promise.all(
    tables.map((table) => readFile(join('/proc/net', table), 'utf8').catch(() => '')),
  )
  return texts.flatMap((text, index) => parseSockets(text, index < 2 ? 'tcp' : 'udp'))
}

/** Of a table such as /proc/net/tcp (proc(5)): what listens, or for UDP, is bound and connected to nobody. */
export function parseSockets(table: string, protocol: 'tcp' | 'udp'): Socket[] {
  const wanted = protocol === 'tcp' ? tcpListen : udpUnconnected
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
      const [address = '', port = ''] = local.split(':')
      if (state !== wanted) return []
      return [{ protocol, address: readAddress(address), port: Number.parseInt(port, 16), inode }]
    })
}

/** The kernel prints each 32-bit word as the machine has it: the least significant byte comes first. */
function readAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse())
  if (bytes.length === 4) return bytes.map((byte) => Number.parseInt(byte, 16)).join('.')
  if (/^0{20}f{4}/i.test(bytes.join(''))) {
    return `::ffff:${bytes
      .slice(12)
      .map((byte) => Number.parseInt(byte, 16))
      .join('.')}`
  }
  if (bytes.every((byte) => byte === '00')) return '::'
  if (bytes.slice(0, 15).every((byte) => byte === '00') && bytes[15] === '01') return '::1'
  return Array.from({ length: 8 }, (_, group) => bytes.slice(group * 2, group * 2 + 2).join('')).join(':')
}

/** The name of the program that has each socket, as far as this login may see. */
async function ownersOf(inodes: Set<string>): Promise<Map<string, string>> {
  const owners = new Map<string, string>()
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const folder = join('/proc', pid, 'fd')
    for (const fd of await readdir(folder).catch(() => [])) {
      const target = await readlink(join(folder, fd)).catch(() => '')
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
      // Of several that share it, a program and its children, the first was there first.
      if (inode === undefined || !inodes.has(inode) || owners.has(inode)) continue
      owners.set(inode, (await readFile(join('/proc', pid, 'comm'), 'utf8').catch(() => '')).trim())
    }
  }
  return owners
}

function inSubnet(address: string, cidr: string): boolean {
  const [base = '', bits = '32'] = cidr.split('/')
  const mask = Number(bits) === 0 ? 0 : -1 << (32 - Number(bits))
  const number = (text: string) => text.split('.').reduce((sum, byte) => (sum << 8) | Number(byte), 0)
  return /^[\d.]+$/.test(address) && (number(address) & mask) === (number(base) & mask)
}
