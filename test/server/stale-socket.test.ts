import { once } from 'node:events'
import { existsSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import type { TokenError } from '../../lib'
import { closesWhatItOpened, eventsOf, makeClient, makeServer } from '../helpers/loopback'
import { remove, temporaryFolder } from '../helpers/program'

describe('a Unix socket that a server has left behind', () => {
  closesWhatItOpened()

  let folder: string
  let path: string
  let count = 0

  before(function () {
    if (process.platform === 'win32') this.skip()
    folder = temporaryFolder()
  })

  after(() => remove(folder))

  beforeEach(() => {
    path = join(folder, `${++count}.sock`)
  })

  /** Node removes the file of a server that closes, and does not find one that has another name by then. */
  async function leaveBehind(): Promise<void> {
    const killed = createServer().listen(`${path}.old`)
    await once(killed, 'listening')
    renameSync(`${path}.old`, path)
    killed.close()
    await once(killed, 'close')
    expect(existsSync(path)).to.equal(true)
  }

  it('is taken over by the next one', async () => {
    await leaveBehind()
    const server = await makeServer({ path })
    await once(server, 'connect')
    const client = await makeClient(0, { path })
    await once(client, 'connect')
    expect(server.address()).to.equal(path)
  })

  it('is not, while the server is alive', async () => {
    const alive = await makeServer({ path })
    await once(alive, 'connect')
    const second = await makeServer({ path })
    const events = eventsOf(second)
    const [error] = (await once(second, 'error')) as [TokenError]
    expect(error.code).to.equal('ERR_LISTEN')
    expect(error.message).to.equal(
      `Cannot listen on ${path}: it failed with EADDRINUSE, another server listens there`
    )
    await second.closed
    expect(events).to.deep.equal(['error', 'close(true)'])
    const client = await makeClient(0, { path })
    await once(client, 'connect')
  })

  it('is not, when it is a file of another kind, whatever it holds', async () => {
    for (const make of [() => writeFileSync(path, 'precious'), () => symlinkSync(folder, path)]) {
      make()
      const server = await makeServer({ path })
      const [error] = (await once(server, 'error')) as [TokenError]
      expect(error.message).to.match(/EADDRINUSE, a file that is no socket is there; remove it/)
      expect(existsSync(path)).to.equal(true)
      path += '2'
    }
  })

  it('is left alone by a server that is closed meanwhile', async () => {
    await leaveBehind()
    const server = await makeServer({ path })
    const events = eventsOf(server)
    // Node has told that it can't listen; the look at the path takes a turn of the event loop.
    await new Promise(process.nextTick)
    server.close()
    await server.closed
    expect(events).to.deep.equal(['close(false)'])
  })

  it('is looked at again at each connect()', async () => {
    await leaveBehind()
    const server = await makeServer({ path })
    await once(server, 'connect')
    server.close()
    await server.closed
    await leaveBehind()
    server.connect()
    await once(server, 'connect')
  })
})
