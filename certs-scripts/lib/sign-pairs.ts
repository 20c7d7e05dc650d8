import { describeCertificate } from './describe'
import { CertsError, quoted, reasonOf } from './errors'
import { pathsOf, serverName } from './layout'
import { loadCertificate, type Named } from './store'
import type { Authority, FolderOptions, KeyAndCert, RenewOptions } from './types'

/** What a command says about the pairs that it signs. */
export interface PairOptions extends Pick<FolderOptions, 'days' | 'force'> {
  readonly out: string
  /** Of the server. */
  readonly hosts?: readonly string[]
}

/**
 * Has the authority sign a pair for each name. With `force` the certificate that the folder holds under a name is
 * renewed: what it says and the options do not replace, the new one says too.
 * @throws {CertsError} for what an option can't be, ERR_CERTS_CERTIFICATE and ERR_CERTS_FILE for a certificate that
 * can't be renewed
 */
export async function signPairs(
  authority: Authority,
  names: readonly string[],
  options: PairOptions
): Promise<Named[]> {
  const made: Named[] = []
  for (const name of names) made.push(await signPair(authority, name, options))
  return made
}

async function signPair(authority: Authority, name: string, options: PairOptions): Promise<Named> {
  const { out, force = false, days, hosts } = options
  const wanted = { ...(days !== undefined && { days }), ...(name === serverName && hosts && { hosts }) }
  // Without force, what exists is refused when it comes to writing, whatever it says.
  const old = force ? await loadCertificate(out, name) : undefined
  if (old !== undefined) return renewed(authority, name, { cert: pathsOf(out, name).cert, old }, wanted)
  const pair =
    name === serverName
      ? await authority.issueServer(wanted)
      : await authority.issueClient({ name, ...wanted })
  return { name, ...pair }
}

async function renewed(
  authority: Authority,
  name: string,
  { cert, old }: { cert: string; old: string },
  wanted: RenewOptions
): Promise<Named> {
  try {
    const replaced = describeCertificate(old)
    const pair: KeyAndCert = await authority.renew(old, wanted)
    return { name, ...pair, replaced }
  } catch (error) {
    if (!(error instanceof CertsError) || error.code !== 'ERR_CERTS_CERTIFICATE') throw error
    const reason = `what it says can't be read (${quoted(cert)}: ${reasonOf(error.cause)}); move it away for a new one`
    throw new CertsError('ERR_CERTS_CERTIFICATE', `Cannot renew a certificate: ${reason}`, {
      cause: error
    })
  }
}
