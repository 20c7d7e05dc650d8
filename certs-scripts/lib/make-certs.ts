import { createAuthority } from './authority'
import { authorityName, checkClientNames, clientName, defaultFolder, serverName } from './layout'
import { type Named, store } from './store'
import type { CertificateFiles, MakeOptions } from './types'

const authorityDays = 3650

/**
 * Makes an authority and the server's and clients' certificates, and writes them into the folder: all of them, or
 * none when something is in the way.
 * @throws {CertsError} for what an option can't be, ERR_CERTS_EXISTS, ERR_CERTS_FILE
 */
export async function makeCerts(options: MakeOptions = {}): Promise<CertificateFiles[]> {
  const { out = defaultFolder, hosts, days = 365, clients = [], force = false } = options
  const names = [clientName, ...clients]
  checkClientNames(names)

  const authority = await createAuthority({ days: Math.max(days, authorityDays) })
  const server = await authority.issueServer({ days, ...(hosts !== undefined && { hosts }) })
  const made: Named[] = [
    { name: authorityName, key: authority.key, cert: authority.cert },
    { name: serverName, ...server }
  ]
  for (const name of names) made.push({ name, ...(await authority.issueClient({ name, days })) })
  return store(out, made, force)
}
