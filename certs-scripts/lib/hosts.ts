import { isIP, isIPv6 } from 'node:net'
import { hostname } from 'node:os'
import { domainToASCII } from 'node:url'
import { CertsError, quoted } from './errors'

/** What a server answers to: a DNS name in its ASCII form, or an address. */
export interface Host {
  readonly type: 'dns' | 'ip'
  readonly value: string
}

/**
 * `localhost`, `127.0.0.1`, `::1` and this machine's host name; the last one is left out when it is no
 * DNS name (a laptop can be called "Ann's computer").
 */
export function defaultHosts(machine: string = hostname()): string[] {
  const hosts = ['localhost', '127.0.0.1', '::1']
  const name = machine.toLowerCase()
  if (isDnsName(name) && !hosts.includes(name)) hosts.push(name)
  return hosts
}

/**
 * Names and addresses as a certificate holds them: lower case, ASCII, each once. `*.example.com` is a name.
 * @throws {CertsError} ERR_CERTS_HOST for an empty list and for what is neither name nor address.
 */
export function resolveHosts(hosts: readonly string[]): Host[] {
  if (hosts.length === 0) {
    throw new CertsError('ERR_CERTS_HOST', 'Cannot make a server certificate: hosts is empty ([])')
  }
  const found = new Map<string, Host>()
  for (const text of hosts) {
    const host = hostOf(text)
    found.set(host.value, host)
  }
  return [...found.values()]
}

function hostOf(text: string): Host {
  if (text.includes('%')) throw refuse(text, 'an address with a zone means nothing to other machines')
  if (isIPv6(text)) return { type: 'ip', value: plainIPv6(text) }
  if (isIP(text) !== 0) return { type: 'ip', value: text }

  const wildcard = text.startsWith('*.')
  const bare = (wildcard ? text.slice(2) : text).toLowerCase()
  const ascii = isDnsName(bare) ? bare : domainToASCII(bare)
  if (!isDnsName(ascii)) throw refuse(text, 'it is neither a DNS name nor an IP address')
  return { type: 'dns', value: wildcard ? `*.${ascii}` : ascii }
}

// selfsigned reads the dotted tail of ::ffff:10.0.0.1 as one group, so that other bytes get signed.
function plainIPv6(text: string): string {
  return new URL(`http://[${text}]`).hostname.slice(1, -1)
}

function isDnsName(name: string): boolean {
  const labels = name.split('.')
  // A last label of digits is a mistyped address (127.0.0.256); Docker's names do use underscores.
  return (
    name.length <= 253 &&
    labels.every(label => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)) &&
    !/^\d+$/.test(labels.at(-1) ?? '')
  )
}

function refuse(text: string, reason: string): CertsError {
  return new CertsError('ERR_CERTS_HOST', `Cannot use a host: ${reason} (${quoted(text)})`)
}
