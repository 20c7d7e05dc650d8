import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeCertificate } from '../../lib'
import { run } from '../../lib/run'

export function text(...path: string[]): string {
  return readFileSync(join(...path), 'utf8')
}

/** The certificate that a name has in a folder of certificates. */
export function certOf(out: string, name: string): string {
  return text(out, name, `${name}.crt`)
}

export function keyOf(out: string, name: string): string {
  return text(out, name, `${name}.key`)
}

export function namesOf(out: string, name: string): readonly string[] {
  return describeCertificate(certOf(out, name)).names
}

/** Whether key and certificate are a pair. */
export function fits(out: string, name: string): boolean {
  return new X509Certificate(certOf(out, name)).checkPrivateKey(createPrivateKey(keyOf(out, name)))
}

/** The keys in the authority's folder, whatever their file is called; what waits under a temporary name is none. */
export function authorityKeys(out: string): string[] {
  const folder = join(out, 'ca')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(file => /^[^.].*\.key$/.test(file))
    .map(file => text(folder, file))
}

/** Calls the program in this process; resolves with its exit code and all that it wrote. */
export async function call(out: string, line: string): Promise<{ code: number; said: string }> {
  let said = ''
  const print = (more: string) => {
    said += more
  }
  const args = [...line.split(' ').filter(word => word !== ''), '--out', out]
  const code = await run(args, { self: 'token-certs', print, printError: print })
  return { code, said }
}
