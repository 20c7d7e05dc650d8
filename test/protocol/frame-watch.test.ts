import { expect } from 'chai'
import type { TokenError } from '../../lib/errors/token-error'
import { connectionLimits } from '../../lib/options/connection-options'
import { FRAME_PROGRESS_BYTES, FrameWatch } from '../../lib/protocol/frame-watch'
import type { FakeClock } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'

describe('FrameWatch', () => {
  let clock: FakeClock
  usesFakeClock(made => {
    clock = made
  })

  function make(frameTimeout = 1000) {
    const log: string[] = []
    const limits = connectionLimits({ frameTimeout })
    const fail = ({ code, message }: TokenError) => {
      log.push(`${code} at ${clock.now()}, ${/\d+ bytes/.exec(message)?.[0]}`)
    }
    return { watch: new FrameWatch({ limits, fail }), log }
  }

  it('tells of a frame that is begun and gets nothing more', async () => {
    const { watch, log } = make()
    watch.update(true, 0, 5)
    await clock.elapse(999)
    expect(log).to.deep.equal([])
    await clock.elapse(1)
    expect(log).to.deep.equal(['ERR_FRAME_TIMEOUT at 1000, 0 bytes'])
  })

  it('counts the bytes that came in that time, and fewer than 4 KiB are too few', async () => {
    const { watch, log } = make()
    watch.update(true, 0, 5)
    await clock.elapse(500)
    watch.update(true, 0, FRAME_PROGRESS_BYTES - 1)
    await clock.elapse(500)
    expect(log).to.deep.equal([`ERR_FRAME_TIMEOUT at 1000, ${FRAME_PROGRESS_BYTES - 1} bytes`])
  })

  it('begins anew after 4 KiB', async () => {
    const { watch, log } = make()
    watch.update(true, 0, 5)
    watch.update(true, 0, FRAME_PROGRESS_BYTES)
    await clock.elapse(1000)
    expect(log).to.deep.equal([])
    await clock.elapse(1000)
    expect(log).to.deep.equal(['ERR_FRAME_TIMEOUT at 2000, 0 bytes'])
  })

  it('begins anew with each completed frame', async () => {
    const { watch, log } = make()
    for (let frames = 0; frames < 5; frames++) {
      watch.update(true, frames, 1)
      await clock.elapse(900)
    }
    expect(log).to.deep.equal([])
    await clock.elapse(100)
    expect(log).to.deep.equal(['ERR_FRAME_TIMEOUT at 4600, 0 bytes'])
  })

  it('is quiet between frames, while suspended and when cleared', async () => {
    for (const act of ['between', 'suspended', 'cleared'] as const) {
      const { watch, log } = make()
      watch.update(true, 0, 1)
      await clock.elapse(500)
      if (act === 'between') watch.update(false, 1, 1)
      else if (act === 'suspended') watch.suspend()
      else watch.clear()
      await clock.elapse(10_000)
      expect(log, act).to.deep.equal([])
      if (act === 'cleared') expect(clock.pending).to.equal(0)
    }
  })

  it('gives the whole time again after it was suspended', async () => {
    const { watch, log } = make()
    watch.update(true, 0, 1)
    await clock.elapse(900)
    watch.suspend()
    watch.update(true, 0, 1)
    await clock.elapse(999)
    expect(log).to.deep.equal([])
    await clock.elapse(1)
    expect(log).to.deep.equal(['ERR_FRAME_TIMEOUT at 1900, 0 bytes'])
  })

  it('waits for ever when it is 0 or Infinity', async () => {
    for (const timeout of [0, Infinity]) {
      const { watch, log } = make(timeout)
      watch.update(true, 0, 1)
      await clock.elapse(1_000_000)
      expect(log).to.deep.equal([])
    }
  })
})
