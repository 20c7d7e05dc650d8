import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCerts } from '@token-server/certs'
import { freePort } from './loopback'
import { ROOT, temporaryFolder } from './program'

/** A folder in which programs of `examples/` find certificates, and the packages as they are built. */
export async function exampleFolder(): Promise<string> {
  const folder = temporaryFolder()
  const modules = join(folder, 'node_modules')
  mkdirSync(modules)
  symlinkSync(ROOT, join(modules, 'token-server'), 'junction')
  symlinkSync(join(ROOT, 'node_modules/@token-server'), join(modules, '@token-server'), 'junction')
  await makeCerts({ out: join(folder, 'certs') })
  return folder
}

/** A copy of an example whose fixed port is another one: by default one that is free. */
export async function copyExample(
  example: string,
  folder: string,
  toPort?: number
): Promise<{ readonly name: string; readonly port: number }> {
  const text = readFileSync(join(ROOT, 'examples', example), 'utf8')
  const port = toPort ?? (await freePort('localhost'))
  const name = `${port}-${example}`
  writeFileSync(join(folder, name), text.replaceAll('8090', String(port)))
  return { name, port }
}
