import { spawnSync } from 'node:child_process'

/** Debian's is not in the path of everybody. */
const PLACES = ['mosquitto', '/usr/sbin/mosquitto']

/** @returns undefined: it is not installed */
export function findMosquitto(): { readonly path: string; readonly version: string } | undefined {
  for (const path of PLACES) {
    const { stdout } = spawnSync(path, ['-h'], { encoding: 'utf8' })
    const version = /version (\S+)/.exec(stdout ?? '')?.[1]
    if (version !== undefined) return { path, version }
  }
  return undefined
}
