import { checkClientNames, defaultFolder, serverName } from './layout'
import { signPairs } from './sign-pairs'
import { loadAuthority, store } from './store'
import type { AddClientsOptions, CertificateFiles, RenewServerOptions } from './types'

/**
 * Has the authority in the folder sign more clients, and writes them there: all of them, or none. With `force` those
 * that exist are renewed, under the names that they have.
 * @throws {CertsError} for what an option can't be, ERR_CERTS_MISSING and ERR_CERTS_AUTHORITY for the authority,
 * ERR_CERTS_EXISTS, ERR_CERTS_CERTIFICATE for one that can't be renewed, ERR_CERTS_FILE
 */
export async function addClients(options: AddClientsOptions): Promise<CertificateFiles[]> {
  const { out = defaultFolder, clients, force = false } = options
  checkClientNames(clients)
  return store(out, await signPairs(await loadAuthority(out), clients, { ...options, out }), force)
}

/**
 * Has the authority in the folder sign the server anew, with a new key, under the names that it has unless `hosts`
 * are given: the authority holds longer than the server, so that clients need not be told.
 * @throws {CertsError} as `addClients`
 */
export async function renewServer(options: RenewServerOptions = {}): Promise<CertificateFiles[]> {
  const { out = defaultFolder, force = false } = options
  return store(out, await signPairs(await loadAuthority(out), [serverName], { ...options, out }), force)
}
