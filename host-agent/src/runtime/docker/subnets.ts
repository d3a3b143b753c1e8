/** A tenant network has 16 addresses: its own, the bridge's, one container's, and room for a second beside it. */
export const tenantPrefix = 28
const tenantSize = 2 ** (32 - tenantPrefix)

export interface TenantSubnet {
  /** In CIDR notation. */
  subnet: string
  /** Of the bridge: the host, as the container sees it. */
  gateway: string
  /** Of the container. */
  address: string
}

/** The first /28 of `within` (CIDR) that overlaps nothing in `taken` (CIDR); undefined when there is none left. */
export function firstFree(within: string, taken: string[]): TenantSubnet | undefined {
  const whole = rangeOf(within)
  const used = taken.filter((subnet) => !subnet.includes(':')).map(rangeOf)
  for (let first = whole.first; first + tenantSize - 1 <= whole.last; first += tenantSize) {
    const last = first + tenantSize - 1
    if (used.every((range) => last < range.first || first > range.last)) return subnetAt(first)
  }
  return undefined
}

/** What `firstFree` returned, told from its CIDR alone. */
export const describeSubnet = (subnet: string): TenantSubnet => subnetAt(rangeOf(subnet).first)

function subnetAt(first: number): TenantSubnet {
  return {
    subnet: `${toAddress(first)}/${tenantPrefix}`,
    gateway: toAddress(first + 1),
    address: toAddress(first + 2),
  }
}

/** First and last address, as numbers. */
function rangeOf(cidr: string): { first: number; last: number } {
  const [address = '', prefix = '32'] = cidr.split('/')
  const size = 2 ** (32 - Number(prefix))
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const first = number - (number % size)
  return { first, last: first + size - 1 }
}

const toAddress = (number: number) =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
