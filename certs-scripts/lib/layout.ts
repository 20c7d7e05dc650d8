import { join } from 'node:path'
import { checkCommonName } from './common-name'
import { CertsError, quoted } from './errors'

/** Where things are when nothing else is said. */
export const defaultFolder = 'certs'
/** The authority's folder. */
export const authorityName = 'ca'
/** The server's folder. */
export const serverName = 'server'
/** The first client's folder. */
export const clientName = 'client'

/** The two files of one name: `out/NAME/NAME.key` and `out/NAME/NAME.crt`. */
export function pathsOf(out: string, name: string): { key: string; cert: string } {
  return { key: join(out, name, `${name}.key`), cert: join(out, name, `${name}.crt`) }
}

/** The authority's list of revoked certificates, if it has one. */
export function crlPathOf(out: string): string {
  return join(out, authorityName, `${authorityName}.crl`)
}

/**
 * Refuses what can't be a client's common name and folder at once, and a name given twice.
 * @throws {CertsError} ERR_CERTS_NAME
 */
export function checkClientNames(names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    checkCommonName(name)
    if (/[/\\:]/.test(name)) throw refuse(name, 'it holds one of / \\ :')
    if (name.startsWith('.')) throw refuse(name, 'it starts with a dot')
    // Ann and ANN are one folder on macOS and Windows.
    const folder = name.toLowerCase()
    if (folder === authorityName || folder === serverName)
      throw refuse(name, 'it stands for another certificate')
    if (seen.has(folder)) throw refuse(name, 'it is given twice')
    seen.add(folder)
  }
}

function refuse(name: string, reason: string): CertsError {
  return new CertsError('ERR_CERTS_NAME', `Cannot use a client name: ${reason} (${quoted(name)})`)
}
