import { randomUUID } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { watchFiles } from '@token-server/service'
import { invalid, RemoteError } from '../errors/remote-error'
import { decodeKeyState, encodeKeyState, type KeyState } from './key-state'
import type { KeyStore } from './key-store'

/** Milliseconds for which another process may hold the file. */
const LOCK_TIMEOUT = 15_000
const LOCK_INTERVAL = 20
/** So long nobody holds it, milliseconds. */
const STALE_LOCK = 10_000
/** The file is replaced as a whole, unless somebody copies another one over it. Milliseconds. */
const QUIET = 50
/** What an owner has revoked must not go on for long where the system tells of no change. Milliseconds. */
const LOOK_INTERVAL = 500
const MAX_FILE_BYTES = 16 * 1024 * 1024

/**
 * A folder with the file `keys.json`, which only its owner can read. Several processes may use it at once: the running device, and a
 * command of its owner.
 */
export class FileStore implements KeyStore {
  readonly file: string
  readonly #folder: string
  readonly #lock: string
  #last: Promise<unknown> = Promise.resolve()

  constructor(folder: string) {
    this.#folder = folder
    this.file = join(folder, 'keys.json')
    this.#lock = join(folder, 'keys.lock')
  }

  /** @throws RemoteError when others can read the file, or it is none of ours */
  async load(): Promise<KeyState | undefined> {
    const text = await this.#read()
    return text === undefined ? undefined : this.#decode(text)
  }

  async #read(): Promise<string | undefined> {
    try {
      await checkAccess(this.#folder, 0o022, 'others can write into the folder')
      await checkAccess(this.file, 0o077, 'others can read it')
      const { size } = await stat(this.file)
      if (size > MAX_FILE_BYTES) throw new Error(`it has ${size} bytes, more than ${MAX_FILE_BYTES}`)
      return await readFile(this.file, 'utf8')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw invalid(`the key file ${this.file}`, (error as Error).message)
    }
  }

  #decode(text: string): KeyState {
    try {
      return decodeKeyState(text)
    } catch (error) {
      throw invalid(`the key file ${this.file}`, (error as Error).message)
    }
  }

  /** @throws RemoteError when it can't be written, or what `change` throws */
  update(change: (state: KeyState | undefined) => KeyState): Promise<KeyState> {
    const turn = this.#last
      .then(() => this.#update(change))
      .catch((error: Error) => {
        throw error instanceof RemoteError ? error : invalid(`the key file ${this.file}`, error.message)
      })
    this.#last = turn.catch(() => undefined)
    return turn
  }

  watch(onChange: () => void): () => void {
    return watchFiles([this.file], onChange, { quiet: QUIET, interval: LOOK_INTERVAL })
  }

  async #update(change: (state: KeyState | undefined) => KeyState): Promise<KeyState> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await this.#takeLock()
    try {
      const before = await this.#read()
      const state = change(before === undefined ? undefined : this.#decode(before))
      const after = encodeKeyState(state)
      if (after !== before) await this.#write(after)
      return state
    } finally {
      await rm(this.#lock, { force: true })
    }
  }

  /** A reader sees the old file or the new one, after a power loss, too. */
  async #write(text: string): Promise<void> {
    const staged = join(this.#folder, `.keys.${randomUUID()}.tmp`)
    try {
      await withFile(await open(staged, 'wx', 0o600), async file => {
        await file.writeFile(text)
        await file.sync()
      })
      await rename(staged, this.file)
    } catch (error) {
      await rm(staged, { force: true })
      throw error
    }
    await withFile(await open(this.#folder, 'r'), folder => folder.sync())
  }

  /** Two may find it stale at once: what the second of them has taken away may be the lock of the first. */
  async #removeStaleLock(): Promise<void> {
    const aside = join(this.#folder, `.keys.${randomUUID()}.lock`)
    try {
      await rename(this.#lock, aside)
      if (!(await isLeftBehind(aside))) await link(aside, this.#lock)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error
    } finally {
      await rm(aside, { force: true })
    }
  }

  async #takeLock(): Promise<void> {
    const givesUpAt = performance.now() + LOCK_TIMEOUT
    for (;;) {
      try {
        await withFile(await open(this.#lock, 'wx', 0o600), lock => lock.writeFile(`${process.pid}`))
        return
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error
      }
      if (await isLeftBehind(this.#lock)) await this.#removeStaleLock()
      else if (performance.now() > givesUpAt)
        throw invalid(`the key file ${this.file}`, `another process holds ${this.#lock}`)
      else await wait(LOCK_INTERVAL)
    }
  }
}

/** Whether the process that took the lock is gone, or has forgotten it. */
async function isLeftBehind(lock: string): Promise<boolean> {
  try {
    if (Date.now() - (await stat(lock)).mtimeMs > STALE_LOCK) return true
    const pid = Number(await readFile(lock, 'utf8'))
    if (pid > 0) process.kill(pid, 0)
    return false
  } catch (error) {
    return codeOf(error) === 'ESRCH'
  }
}

async function checkAccess(path: string, refused: number, why: string): Promise<void> {
  const { mode } = await stat(path)
  // Windows has no such modes.
  if (process.platform !== 'win32' && (mode & refused) !== 0)
    throw new Error(`${why} (mode ${(mode & 0o777).toString(8)}): chmod go-rwx ${path}`)
}

async function withFile(file: FileHandle, use: (file: FileHandle) => Promise<unknown>): Promise<void> {
  try {
    await use(file)
  } finally {
    await file.close()
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
