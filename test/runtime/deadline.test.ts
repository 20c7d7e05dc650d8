import { MessageChannel } from 'node:worker_threads'
import { expect } from 'chai'
import { Deadline } from '../../lib/runtime/deadline'
import { awake, block, settled } from '../helpers/moments'
import { ROOT, runNode } from '../helpers/program'

/** Resolves when `deadline` expires; the test then waits for an event and not for time. */
function expiring(milliseconds: number): { deadline: Deadline; expired: Promise<void>; count: () => number } {
  let count = 0
  let resolve: () => void
  const expired = new Promise<void>(done => {
    resolve = done
  })
  const deadline = new Deadline(milliseconds, () => {
    count++
    resolve()
  })
  return { deadline, expired, count: () => count }
}

/** When this expires, an equal deadline armed before it would have expired. */
async function elapse(milliseconds: number): Promise<void> {
  const { deadline, expired } = expiring(milliseconds)
  deadline.arm()
  await awake(expired)
}

describe('Deadline', () => {
  it('expires once after it was armed, and is not armed then', async () => {
    const { deadline, count } = expiring(5)
    expect(deadline.isArmed).to.equal(false)
    deadline.arm()
    expect(deadline.isArmed).to.equal(true)
    await elapse(5)
    expect(count()).to.equal(1)
    expect(deadline.isArmed).to.equal(false)
    await elapse(5)
    expect(count()).to.equal(1)
  })

  it('can be armed again after it expired, also by its own callback', async () => {
    let count = 0
    await awake(
      new Promise<void>(resolve => {
        const deadline = new Deadline(2, () => {
          count++
          if (count < 3) deadline.arm()
          else resolve()
        })
        deadline.arm()
      })
    )
    expect(count).to.equal(3)
  })

  it('does not expire once disarmed', async () => {
    const { deadline, count } = expiring(5)
    deadline.arm()
    deadline.disarm()
    expect(deadline.isArmed).to.equal(false)
    await elapse(10)
    expect(count()).to.equal(0)
  })

  it('counts anew when armed again after a disarm', async () => {
    const { deadline, count } = expiring(5)
    deadline.arm()
    deadline.disarm()
    deadline.arm()
    await elapse(10)
    expect(count()).to.equal(1)
  })

  it('counts anew when armed while it counts', async () => {
    const { deadline, expired, count } = expiring(20)
    const reference = expiring(20)
    deadline.arm()
    reference.deadline.arm()
    deadline.arm()
    // Not by the clock, which a busy machine stretches: the one armed between the two arms expires first.
    await awake(reference.expired)
    expect(count()).to.equal(0)
    await awake(expired)
    expect(count()).to.equal(1)
  })

  it('does not expire once cleared, and can be armed again', async () => {
    const { deadline, count } = expiring(5)
    deadline.clear()
    deadline.arm()
    deadline.clear()
    await elapse(10)
    expect(count()).to.equal(0)
    deadline.arm()
    await elapse(10)
    expect(count()).to.equal(1)
  })

  for (const never of [0, Infinity]) {
    it(`never expires with ${never} milliseconds`, async () => {
      const { deadline, count } = expiring(never)
      deadline.arm()
      expect(deadline.isArmed).to.equal(false)
      await elapse(5)
      expect(count()).to.equal(0)
    })
  }

  it('does not keep the process alive', () => {
    const before = process.getActiveResourcesInfo()
    const { deadline } = expiring(60_000)
    deadline.arm()
    expect(process.getActiveResourcesInfo()).to.deep.equal(before)
    deadline.clear()
  })

  it('is cleared in the tick that an exception leaves, and the event loop goes on', async () => {
    const script = `
      const { Deadline } = require('./dist/lib/runtime/deadline')
      const { FakeClock } = require('./dist/lib/testing')
      const errors = []
      process.on('uncaughtException', error => errors.push(error.message) > 9 && process.exit(1))
      const clock = new FakeClock()
      clock.install()
      const other = new Deadline(10, () => {})
      const one = new Deadline(10, () => {
        process.nextTick(() => other.clear())
        process.nextTick(() => { throw new Error('planted') })
      })
      one.arm()
      other.arm()
      clock.advance(10)
      setImmediate(() => console.log(errors))`
    const { stdout } = await runNode(['-e', script], ROOT)
    expect(stdout).to.equal("[ 'planted' ]\n")
  })

  it('does not expire when this process was blocked and the answer was waiting meanwhile', async () => {
    const { deadline, count } = expiring(10)
    const { port1, port2 } = new MessageChannel()
    const answered = new Promise<void>(resolve => {
      port2.once('message', () => resolve(deadline.disarm()))
    })
    deadline.arm()
    port1.postMessage('the answer')
    block(30)
    await answered
    await settled()
    expect(count()).to.equal(0)
    port1.close()
  })
})
