import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeyAndCert } from '@token-server/certs'

/**
 * A PKCS #12 file; Node can read but not write one. Null where there is no openssl, which a CI has to have.
 *
 * @param more certificates in PEM that stand beside the own one
 * @param options more arguments for openssl
 */
export function pfxOf(
  { key, cert }: KeyAndCert,
  passphrase: string,
  more = '',
  options: readonly string[] = []
): Buffer | null {
  const folder = mkdtempSync(join(tmpdir(), 'token-server-'))
  const path = (name: string) => join(folder, name)
  try {
    writeFileSync(path('key'), key, { mode: 0o600 })
    writeFileSync(path('cert'), cert + more)
    const files = options.includes('-nokeys') ? [] : ['-inkey', path('key')]
    const args = ['pkcs12', '-export', ...files, '-in', path('cert'), '-out', path('pfx'), ...options]
    execFileSync('openssl', [...args, '-passout', `pass:${passphrase}`], { stdio: 'pipe' })
    return readFileSync(path('pfx'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || process.env.CI) throw error
    return null
  } finally {
    rmSync(folder, { recursive: true })
  }
}
