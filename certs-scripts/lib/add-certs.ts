import { checkClientNames, defaultFolder, serverName } from './layout'
import { loadAuthority, type Named, store } from './store'
import type { AddClientsOptions, CertificateFiles, RenewServerOptions } from './types'

/**
 * Has the authority in the folder sign more clients, and writes them there: all of them, or none.
 * @throws {CertsError} for what an option can't be, ERR_CERTS_MISSING and ERR_CERTS_AUTHORITY for the authority,
 * ERR_CERTS_EXISTS, ERR_CERTS_FILE
 */
export async function addClients(options: AddClientsOptions): Promise<CertificateFiles[]> {
  const { out = defaultFolder, clients, days = 365, force = false } = options
  checkClientNames(clients)
  const authority = await loadAuthority(out)
  const made: Named[] = []
  for (const name of clients) made.push({ name, ...(await authority.issueClient({ name, days })) })
  return store(out, made, force)
}

/**
 * Has the authority in the folder sign the server anew, with a new key: the authority holds longer than the
 * server, so that clients need not be told.
 * @throws {CertsError} as `addClients`
 */
export async function renewServer(options: RenewServerOptions = {}): Promise<CertificateFiles[]> {
  const { out = defaultFolder, hosts, days = 365, force = false } = options
  const authority = await loadAuthority(out)
  const server = await authority.issueServer({ days, ...(hosts !== undefined && { hosts }) })
  return store(out, [{ name: serverName, ...server }], force)
}
