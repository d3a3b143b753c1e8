/** Every tenant's bridge begins with this, so that one rule speaks of all of them, and of those still to come. */
export const bridgePrefix = 'ycl-'
const tenants = `${bridgePrefix}+`

/** Where assistants find the model gateway, on their own bridge's address; the only port of the host that they reach. */
export const modelGatewayPort = 18_790

export const inputChain = 'YOURCLAW-INPUT'
export const forwardChain = 'YOURCLAW-FORWARD'

/** Not of the internet (RFC 6890), the cloud's metadata at 169.254.169.254 among them. */
const notInternet = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
]

/**
 * The two chains in full, as input of iptables-restore. From a tenant to the host: its model gateway and nothing else.
 * From a tenant onwards: the internet, without mail's port 25. To a tenant: answers only, from the host excepted.
 */
export function rulesV4(tenantSubnet: string): string {
  return table([
    `-A ${inputChain} -i lo -j RETURN`,
    `-A ${inputChain} -i ${tenants} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`,
    `-A ${inputChain} -i ${tenants} -d ${tenantSubnet} -p tcp -m tcp --dport ${modelGatewayPort} -j ACCEPT`,
    `-A ${inputChain} -i ${tenants} -j REJECT`,
    // The addresses of the bridges are the host's, and Linux answers for them on every interface.
    `-A ${inputChain} -d ${tenantSubnet} -j DROP`,
    `-A ${forwardChain} -i ${tenants} -p tcp -m tcp --dport 25 -j REJECT`,
    ...notInternet.map((range) => `-A ${forwardChain} -i ${tenants} -d ${range} -j REJECT`),
    `-A ${forwardChain} -o ${tenants} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN`,
    `-A ${forwardChain} -o ${tenants} -j DROP`,
  ])
}

/** Tenants' networks have no IPv6: what comes from one all the same goes nowhere. */
export function rulesV6(): string {
  return table([
    `-A ${inputChain} -i ${tenants} -j DROP`,
    `-A ${forwardChain} -i ${tenants} -j DROP`,
    `-A ${forwardChain} -o ${tenants} -j DROP`,
  ])
}

/** Declaring a chain empties it. */
const table = (rules: string[]) =>
  filterTable([`:${inputChain} - [0:0]`, `:${forwardChain} - [0:0]`, ...rules])

/** Input of iptables-restore, which takes effect as a whole or not at all. */
export const filterTable = (lines: string[]) => ['*filter', ...lines, 'COMMIT', ''].join('\n')
