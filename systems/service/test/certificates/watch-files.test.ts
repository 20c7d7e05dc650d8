import { cpSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { type WatchFilesOptions, watchFiles } from '../../lib'
import { folder } from '../helpers/services'

describe('watchFiles', () => {
  closesWhatItOpened()

  function watched(options?: WatchFilesOptions) {
    const own = folder()
    const files = ['a', 'b'].map(name => join(own, name))
    for (const file of files) writeFileSync(file, 'old')
    let calls = 0
    const stop = watchFiles(
      files,
      () => {
        calls++
      },
      options
    )
    onCleanUp(stop)
    return { own, files: files as [string, string], calls: () => calls, stop }
  }

  it('tells once of several files that are replaced one after another', async () => {
    const { own, files, calls } = watched()
    for (const file of files) {
      writeFileSync(join(own, 'new'), 'new')
      renameSync(join(own, 'new'), file)
    }
    await until(() => calls() > 0)
    // It is quiet for longer than it takes to tell.
    await wait(700)
    expect(calls()).to.equal(1)
    writeFileSync(files[0], 'newer')
    await until(() => calls() === 2)
  })

  it('tells of a file that does not become quiet, too, after ten times as long as it must be quiet', async () => {
    const { files, calls } = watched({ quiet: 100 })
    let writes = 0
    const writing = setInterval(() => writeFileSync(files[0], `${writes++}`), 10)
    onCleanUp(() => clearInterval(writing))
    await until(() => calls() > 0)
    expect(writes).to.be.above(3)
    await until(() => calls() > 1)
  })

  it('looks at the files from time to time, where the system tells nothing', async () => {
    const { own, files, calls } = watched({ interval: 50 })
    const moved = join(folder(), 'moved')
    renameSync(own, moved)
    cpSync(moved, own, { recursive: true })
    await until(() => calls() > 0)
    // The folder that is watched lies elsewhere now.
    const told = calls()
    writeFileSync(files[1], 'new')
    await until(() => calls() > told)
  })

  it('does not tell of other files, nor after it was stopped', async () => {
    const { own, files, calls, stop } = watched()
    writeFileSync(join(own, 'other'), 'x')
    await wait(700)
    expect(calls()).to.equal(0)
    stop()
    writeFileSync(files[0], 'new')
    await wait(700)
    expect(calls()).to.equal(0)
  })
})
