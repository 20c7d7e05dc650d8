import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { writeFiles } from '../lib/write-files'
import { expectRefused } from './helpers/refused'
import { useTemporaryFolder } from './helpers/temporary-folder'

describe('files written together', () => {
  const folder = useTemporaryFolder()
  const file = (path: string, text = 'new') => ({
    path: join(folder(), path),
    text,
    secret: path.endsWith('.key')
  })
  const text = (path: string) => readFileSync(join(folder(), path), 'utf8')
  const mode = (path: string) => (statSync(join(folder(), path)).mode & 0o777).toString(8)

  it('are secret where they should be, whatever the umask allows', async () => {
    const umask = process.umask(0)
    try {
      await writeFiles([file('out/a/a.key'), file('out/a/a.crt')], false)
      await writeFiles([file('out/a/a.key', 'again')], true)
    } finally {
      process.umask(umask)
    }
    expect([mode('out/a'), mode('out/a/a.key'), mode('out/a/a.crt')]).to.deep.equal(['700', '600', '644'])
    expect(text('out/a/a.key')).to.equal('again')
  })

  it('leave everything as it was when one of them exists', async () => {
    await writeFiles([file('b/b.crt', 'old')], false)
    const files = [file('a/a.key'), file('b/b.crt'), file('c/c.key')]
    await expectRefused('ERR_CERTS_EXISTS', () => writeFiles(files, false), join(folder(), 'b/b.crt'))
    expect(await readdir(folder())).to.deep.equal(['b'])
    expect(text('b/b.crt')).to.equal('old')
  })

  it('do not follow a link that leads nowhere', async () => {
    await symlink(join(folder(), 'elsewhere'), join(folder(), 'a.key'))
    await expectRefused('ERR_CERTS_EXISTS', () => writeFiles([file('a.key')], false))
    await writeFiles([file('a.key')], true)
    expect(existsSync(join(folder(), 'elsewhere'))).to.equal(false)
    expect(text('a.key')).to.equal('new')
  })

  for (const force of [false, true]) {
    it(`leave nothing behind when one cannot be written, ${force ? 'with' : 'without'} force`, async () => {
      await writeFiles([file('old/old.key', 'old')], false)
      await writeFile(join(folder(), 'blocked'), '')
      const files = [file('x/y/a.key'), file(force ? 'old/old.key' : 'old/b.key'), file('blocked/c.key')]
      await expectRefused('ERR_CERTS_FILE', () => writeFiles(files, force), 'blocked')
      expect((await readdir(folder(), { recursive: true })).sort()).to.deep.equal([
        'blocked',
        'old',
        'old/old.key'
      ])
      expect(text('old/old.key')).to.equal('old')
    })
  }

  it('never replace a folder, even with force', async () => {
    await mkdir(join(folder(), 'a.key'))
    await expectRefused('ERR_CERTS_FILE', () => writeFiles([file('a.key')], true), 'a folder stands there')
  })

  it('go to one of two writers, whole, when both come at once', async () => {
    const set = (who: string) => ['a/a.key', 'a/a.crt', 'b/b.key', 'b/b.crt'].map(path => file(path, who))
    for (let round = 0; round < 20; round += 1) {
      const out = (who: string) =>
        set(who).map(one => ({ ...one, path: one.path.replace('/a/', `/a${round}/`) }))
      await expectOneWinner([
        writeFiles(out('ann').slice(0, 2), false),
        writeFiles(out('bob').slice(0, 2), false)
      ])
      expect(text(`a${round}/a.key`)).to.equal(text(`a${round}/a.crt`))
    }
  })

  it('never end when the folder cannot be made', () =>
    expectRefused('ERR_CERTS_FILE', () =>
      writeFiles([{ path: '/dev/null/a/a.key', text: '', secret: true }], false)
    ))
})

async function expectOneWinner(attempts: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(attempts)
  const lost = results.filter(result => result.status === 'rejected')
  expect(lost).to.have.lengthOf(1)
  await expectRefused('ERR_CERTS_EXISTS', () => Promise.reject(lost[0]?.reason))
}
