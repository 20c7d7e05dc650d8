import { createAuthority } from './authority'
import { keepAuthority } from './keep-authority'
import { authorityName, checkClientNames, clientName, defaultFolder, pathsOf, serverName } from './layout'
import { signPairs } from './sign-pairs'
import { loadAuthority, type Named, store } from './store'
import type { Authority, CertificateFiles, MakeOptions } from './types'
import { existsAt } from './write-files'

const authorityDays = 3650

/**
 * Makes an authority and the server's and clients' certificates, and writes them into the folder: all of them, or
 * none when something is in the way. With `force` the authority in the folder signs them; only `newAuthority` makes
 * another one where something exists.
 * @throws {CertsError} for what an option can't be, ERR_CERTS_EXISTS, ERR_CERTS_MISSING and ERR_CERTS_AUTHORITY for
 * the authority in the folder, ERR_CERTS_CERTIFICATE for a certificate that can't be renewed, ERR_CERTS_FILE
 */
export async function makeCerts(options: MakeOptions = {}): Promise<CertificateFiles[]> {
  const { out = defaultFolder, clients = [], newAuthority = false } = options
  const force = options.force === true || newAuthority
  const names = [serverName, clientName, ...clients]
  checkClientNames(names.slice(1))

  const keeps = force && !newAuthority && (await somethingExists(out, [authorityName, ...names]))
  const authority = keeps ? await loadAuthority(out) : await newAuthorityFor(options)
  const pairs = await signPairs(authority, names, { ...options, out, force })
  if (keeps) return store(out, pairs, force)

  const keptAs = newAuthority ? await keepAuthority(out) : []
  const made: Named = { name: authorityName, key: authority.key, cert: authority.cert }
  const [own, ...others] = await store(out, [made, ...pairs], force)
  return [...(own ? [{ ...own, ...(keptAs.length > 0 && { keptAs }) }] : []), ...others]
}

function newAuthorityFor({ days = 0 }: MakeOptions): Promise<Authority> {
  return createAuthority({ days: Math.max(days, authorityDays) })
}

async function somethingExists(out: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) {
    const { key, cert } = pathsOf(out, name)
    if ((await existsAt(key)) || (await existsAt(cert))) return true
  }
  return false
}
