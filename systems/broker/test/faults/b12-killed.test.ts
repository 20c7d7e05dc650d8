import { needProgram, RedisServer } from '@token-server/test-helpers'
import { expect } from 'chai'
import { runKillRounds } from '../helpers/kill-rounds'

/** LONG=1: 50 rounds each. */
const ROUNDS = process.env.LONG === '1' ? 50 : 2

describe('B12: a broker that is killed under load', () => {
  describe('with its store in a folder', () => losesNothing())

  describe('with its store in a Redis that is killed as well, and appends to its file before it answers', () => {
    let redis: RedisServer | undefined

    // Each test has its own: what one leaves in the queue of its subscriber would be the other's.
    beforeEach(async function () {
      needProgram(this, 'redis-server')
      redis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    })
    afterEach(() => redis?.remove())

    losesNothing(() => redis)
  })
})

function losesNothing(redisOf?: () => RedisServer | undefined): void {
  for (const qos of [1, 2] as const) {
    it(`loses nothing that it acknowledged with QoS ${qos}${qos === 2 ? ', and doubles nothing' : ''}`, async function () {
      this.timeout(60_000 + ROUNDS * 30_000)
      const { acknowledged, lost, doubled } = await runKillRounds(ROUNDS, qos, redisOf?.())
      if (process.env.LONG === '1')
        console.log(
          `QoS ${qos}: ${ROUNDS} kills, ${acknowledged} acknowledged, ${lost} lost, ${doubled} received twice`
        )
      expect(acknowledged).to.be.greaterThan(ROUNDS * 200)
      expect(lost).to.equal(0)
      if (qos === 2) expect(doubled).to.equal(0)
    })
  }
}
