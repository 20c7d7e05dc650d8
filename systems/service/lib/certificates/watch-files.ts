import { type FSWatcher, statSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/** A renewal replaces several files one after another: so long it must be quiet, milliseconds. */
const QUIET = 500

/** Where the system tells nothing (a network drive, a mounted secret), the files are looked at so often, milliseconds. */
const LOOK_INTERVAL = 30_000

/**
 * Calls back when one of the files was changed or replaced, once after all of them are done. Their folders are watched, for a
 * renewal renames a new file to the place of the old one.
 *
 * @returns call it to stop
 */
export function watchFiles(files: readonly string[], onChange: () => void): () => void {
  let before = stateOf(files)
  let quiet: NodeJS.Timeout | undefined
  const look = () => {
    const now = stateOf(files)
    if (now === before) return
    before = now
    onChange()
  }
  const soon = () => {
    clearTimeout(quiet)
    quiet = setTimeout(look, QUIET).unref()
  }
  const watchers = [...new Set(files.map(dirname))].flatMap(folder =>
    watcherOf(folder, namesIn(folder, files), soon)
  )
  const interval = setInterval(look, LOOK_INTERVAL).unref()
  return () => {
    clearTimeout(quiet)
    clearInterval(interval)
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
