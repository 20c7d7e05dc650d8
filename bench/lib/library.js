import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout that this benchmark is a part of. */
export const OWN_CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The library as its users get it: by the entry of its package.
 *
 * @param checkout folder of a built checkout
 */
export function loadLibrary(checkout = OWN_CHECKOUT) {
  return createRequire(import.meta.url)(checkout)
}

/** @returns the folder as it is loaded. @throws Error when no built library is there */
export function builtCheckout(folder) {
  const checkout = resolve(folder)
  try {
    createRequire(import.meta.url).resolve(checkout)
  } catch (error) {
    throw new Error(`Cannot compare with ${checkout}: no built library is there (npm ci && npm run build)`, {
      cause: error
    })
  }
  return checkout
}

/** As Git names it, or null: what is installed from a registry has none. */
export function commitOf(checkout) {
  const git = spawnSync('git', ['-C', checkout, 'describe', '--always', '--dirty'], { encoding: 'utf8' })
  return git.status === 0 ? git.stdout.trim() : null
}
