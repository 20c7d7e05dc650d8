import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder for every test of the suite that calls this, gone after it; the answer gives its path. */
export function useTemporaryFolder(): () => string {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'token-certs-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))
  return () => folder
}
