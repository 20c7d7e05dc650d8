import { readFileSync } from 'node:fs'

const { version, dependencies } = JSON.parse(
  readFileSync(require.resolve('@token-server/broker/package.json'), 'utf8')
) as { version: string; dependencies: Record<string, string> }

export const OURS = version

/** It is pinned. */
export const AEDES = dependencies.aedes as string
