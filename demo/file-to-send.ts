import { accessSync, constants, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'

export interface FileToSend {
  /** As the user wrote it. */
  readonly name: string
  readonly path: string
  readonly bytes: number
}

/**
 * The file that the user names, or else this repository's README.
 *
 * @throws Error one line that says why it can't be sent
 */
export function fileToSend(args: readonly string[]): FileToSend {
  if (args.length > 1) throw new Error(`Cannot send ${args.length} files: name one, npm start -- FILE`)
  const [name] = args
  const path = name === undefined ? join(__dirname, '../../README.md') : resolve(callersFolder(), name)
  try {
    const stats = statSync(path)
    if (stats.isDirectory()) throw new Error('it is a folder')
    if (!stats.isFile()) throw new Error('it is not a regular file')
    accessSync(path, constants.R_OK)
    return { name: name ?? basename(path), path, bytes: stats.size }
  } catch (error) {
    throw new Error(`Cannot send ${name ?? basename(path)}: ${reasonOf(error as NodeJS.ErrnoException)}`)
  }
}

/** npm runs scripts in the folder of package.json, and keeps the user's own in INIT_CWD. */
function callersFolder(): string {
  const { npm_lifecycle_event, INIT_CWD } = process.env
  return npm_lifecycle_event === 'start' && INIT_CWD !== undefined ? INIT_CWD : process.cwd()
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return 'there is no such file'
  if (error.code === 'EACCES') return 'it may not be read'
  return error.code ?? error.message
}
