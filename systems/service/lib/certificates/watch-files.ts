import { type FSWatcher, statSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

export interface WatchFilesOptions {
  /**
   * Milliseconds without a change until a change is told: a renewal replaces several files one after another. Files that go on changing
   * are told of after ten times as long. Default 500.
   */
  readonly quiet?: number
  /**
   * Milliseconds between two looks at the files, for where the system tells nothing: a network drive, a mounted secret, a folder that was
   * replaced. Default 30,000.
   */
  readonly interval?: number
}

/**
 * Calls back when one of the files was changed or replaced, once after all of them are done. Their folders are watched, for a
 * renewal renames a new file to the place of the old one.
 *
 * @returns call it to stop
 */
export function watchFiles(
  files: readonly string[],
  onChange: () => void,
  { quiet = 500, interval = 30_000 }: WatchFilesOptions = {}
): () => void {
  let before = stateOf(files)
  let timer: NodeJS.Timeout | undefined
  let latest = 0
  const look = () => {
    clearTimeout(timer)
    timer = undefined
    const now = stateOf(files)
    if (now === before) return
    before = now
    onChange()
  }
  const soon = () => {
    const now = performance.now()
    if (timer === undefined) latest = now + 10 * quiet
    clearTimeout(timer)
    timer = setTimeout(look, Math.min(quiet, latest - now)).unref()
  }
  const watchers = [...new Set(files.map(dirname))].flatMap(folder =>
    watcherOf(folder, namesIn(folder, files), soon)
  )
  const looking = setInterval(look, interval).unref()
  return () => {
    clearTimeout(timer)
    clearInterval(looking)
    for (const watcher of watchers) watcher.close()
  }
}

function namesIn(folder: string, files: readonly string[]): readonly string[] {
  return files.filter(file => dirname(file) === folder).map(file => basename(file))
}

/** None where the system can watch no more: then the interval has to do. */
function watcherOf(folder: string, names: readonly string[], onEvent: () => void): FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, (_event, name) => {
      // Kubernetes replaces a link beside the files and not the files.
      if (name === null || names.includes(name) || name.startsWith('..')) onEvent()
    })
    watcher.on('error', () => watcher.close())
    return [watcher]
  } catch {
    return []
  }
}

/** A file that is missing for a moment, between two renames, has a state too. */
function stateOf(files: readonly string[]): string {
  return files
    .map(file => {
      const state = statSync(file, { throwIfNoEntry: false, bigint: true })
      return state === undefined ? 'missing' : `${state.ino} ${state.size} ${state.mtimeNs}`
    })
    .join(', ')
}
