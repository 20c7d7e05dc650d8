import { readFile } from 'node:fs/promises'
import { authorityName, pathsOf } from './layout'
import { finishRenewal } from './store'
import { existsAt, type NewFile, writeFiles } from './write-files'

/**
 * Copies the authority's key and certificate, whichever are there, to names with today's date beside them
 * (`ca-2026-11-28.key`, then `ca-2026-11-28-2.key`), before others take their place. A copy and no move: at each
 * moment every authority's key is in a file.
 * @returns the paths of the copies
 * @throws {CertsError} ERR_CERTS_FILE, ERR_CERTS_EXISTS when another process takes the name meanwhile
 */
export async function keepAuthority(out: string): Promise<string[]> {
  await finishRenewal(out, authorityName)
  const paths = pathsOf(out, authorityName)
  const copies = await freeCopies(paths)
  const files: NewFile[] = []
  for (const kind of ['key', 'cert'] as const) {
    if (!(await existsAt(paths[kind]))) continue
    files.push({ path: copies[kind], text: await readFile(paths[kind]), secret: kind === 'key' })
  }
  await writeFiles(files, false)
  return files.map(({ path }) => path)
}

async function freeCopies(paths: { key: string; cert: string }): Promise<{ key: string; cert: string }> {
  const today = new Date().toISOString().slice(0, 10)
  for (let n = 1; ; n += 1) {
    const suffix = n === 1 ? today : `${today}-${n}`
    const copies = { key: withSuffix(paths.key, suffix), cert: withSuffix(paths.cert, suffix) }
    if (!(await existsAt(copies.key)) && !(await existsAt(copies.cert))) return copies
  }
}

function withSuffix(path: string, suffix: string): string {
  return path.replace(/\.\w+$/, ending => `-${suffix}${ending}`)
}
