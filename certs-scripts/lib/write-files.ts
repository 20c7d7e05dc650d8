import { randomUUID } from 'node:crypto'
import { lstat, mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CertsError, hasCode, quoted, reasonOf } from './errors'

/** A file to be written. */
export interface NewFile {
  readonly path: string
  readonly text: string | Buffer
  /** A secret is written with mode 0600, the rest with 0644. */
  readonly secret: boolean
}

/**
 * Writes all of the files or none; their folders are made with mode 0700. Without `force`, one file that exists
 * is enough to leave everything as it was. With `force` each file is replaced at once, in the order given, so a
 * reader sees the old or the new one, after all of the new ones are on the disk under temporary names
 * (`isStagedFor`); the moments between the renames are the gap that remains.
 * @throws {CertsError} ERR_CERTS_EXISTS, ERR_CERTS_FILE
 */
export async function writeFiles(files: readonly NewFile[], force: boolean): Promise<void> {
  await checkAll(files, force)
  const written: string[] = []
  const folders: string[] = []
  const replacements: { from: string; to: string }[] = []
  let current = ''
  try {
    for (const { path, text, secret } of files) {
      current = path
      await makeFolder(dirname(path), folders, 0o700)
      const target = force ? join(dirname(path), `${stagedPrefix(path)}${randomUUID()}.tmp`) : path
      // `wx`: a file made since the check is not overwritten, and the mode holds from the first byte on.
      await writeFile(target, text, { flag: 'wx', mode: secret ? 0o600 : 0o644, flush: true })
      written.push(target)
      if (force) replacements.push({ from: target, to: path })
    }
    for (const { from, to } of replacements) {
      current = to
      await rename(from, to)
      // From here on what is staged completes a pair that is half replaced.
      written.length = 0
      folders.length = 0
    }
  } catch (error) {
    await undo(written, folders)
    throw hasCode(error, 'EEXIST') ? existsError([current]) : writeError(current, error)
  }
}

/** Whether a file of this name, in the same folder, waits for taking the place of `path`. */
export function isStagedFor(name: string, path: string): boolean {
  return name.startsWith(stagedPrefix(path)) && name.endsWith('.tmp')
}

/** Whether anything stands there, a link that leads nowhere too. @throws {CertsError} ERR_CERTS_FILE */
export async function existsAt(path: string): Promise<boolean> {
  return (await kindOf(path)) !== 'nothing'
}

function stagedPrefix(path: string): string {
  return `.${basename(path)}.`
}

async function checkAll(files: readonly NewFile[], force: boolean): Promise<void> {
  const existing: string[] = []
  for (const { path } of files) {
    const kind = await kindOf(path)
    if (kind === 'folder') throw writeError(path, new Error('a folder stands there'))
    if (kind === 'file') existing.push(path)
  }
  if (existing.length > 0 && !force) throw existsError(existing)
}

async function kindOf(path: string): Promise<'nothing' | 'file' | 'folder'> {
  try {
    // lstat, because a link that leads nowhere is in the way as well.
    return (await lstat(path)).isDirectory() ? 'folder' : 'file'
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 'nothing'
    throw writeError(path, error)
  }
}

// Not `recursive: true`: it doesn't tell which folders it made, and on /proc it never ends (seen with Node 20).
async function makeFolder(folder: string, made: string[], mode: number): Promise<void> {
  try {
    await mkdir(folder, { mode })
    made.push(folder)
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return
    const parent = dirname(folder)
    if (!hasCode(error, 'ENOENT') || (await kindOf(parent)) !== 'nothing') throw error
    // Only the folder with the key in it is closed to others.
    await makeFolder(parent, made, 0o777)
    await makeFolder(folder, made, mode)
  }
}

async function undo(written: readonly string[], folders: readonly string[]): Promise<void> {
  for (const path of written) await rm(path, { force: true }).catch(() => undefined)
  // A folder that somebody has put something into meanwhile stays.
  for (const folder of folders.toReversed()) await rmdir(folder).catch(() => undefined)
}

function existsError(paths: readonly string[]): CertsError {
  const reason = paths.length === 1 ? 'this file already exists' : 'these files already exist'
  return new CertsError('ERR_CERTS_EXISTS', `Cannot write certificates: ${reason}: ${paths.join(', ')}`)
}

function writeError(path: string, error: unknown): CertsError {
  const message = `Cannot write a file: ${reasonOf(error)} (${quoted(path)})`
  return new CertsError('ERR_CERTS_FILE', message, { cause: error })
}
