import { once } from 'node:events'
import { connect } from 'node:tls'
import { expect } from 'chai'
import { startProgram } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened, onCleanUp, startServer, tlsOptions } from '../helpers/loopback'
import type { DribbledReport } from './programs/dribbled-token'

describe('T3 a token that comes one byte at a time', () => {
  closesWhatItOpened()

  it('T3 costs at most 3 x maxTokenLength + 8 MiB of memory, and arrives', async function () {
    this.timeout(isLong ? 120_000 : 30_000)
    const length = isLong ? 8 * MIB : 2 * MIB
    const program = await startProgram('dribbled-token')
    const report = await program.ask<DribbledReport>({ length })
    figures(
      `RSS +${(report.peak / MIB).toFixed(1)} MiB for ${length / MIB} MiB in ${report.milliseconds.toFixed(0)} ms`
    )
    expect(report.isEqual).to.equal(true)
    expect(report.peak).to.be.at.most(3 * length + 8 * MIB)
  })

  it('T3 arrives over TLS when each byte is a record of its own', async function () {
    this.timeout(isLong ? 300_000 : 30_000)
    const length = isLong ? 8 * MIB : 32 * 1024
    const { server, port } = await startServer({ maxTokenLength: length })
    const arrived = once(server, 'token')
    const socket = connect(await tlsOptions(port))
    onCleanUp(() => socket.destroy())
    await once(socket, 'secureConnect')
    const bytes = Buffer.alloc(length + 4, 7)
    bytes.writeUInt32BE(length)
    for (let i = 0; i < bytes.length; i++) {
      if (!socket.write(bytes.subarray(i, i + 1))) await once(socket, 'drain')
    }
    const [token] = (await arrived) as [Buffer]
    expect(token.length).to.equal(length)
    expect(token.equals(bytes.subarray(4))).to.equal(true)
  })
})
