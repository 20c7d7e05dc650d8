import { expect } from 'chai'
import { TokenBucket } from '../../lib/limits/token-bucket'

describe('A token bucket', () => {
  it('lets a burst pass, and then tells how long to wait', () => {
    const bucket = new TokenBucket(10, 3, 0)
    expect([bucket.take(0), bucket.take(0), bucket.take(0)]).to.deep.equal([0, 0, 0])
    expect(bucket.take(0)).to.be.closeTo(100, 0.001)
    expect(bucket.take(0)).to.be.closeTo(200, 0.001)
    expect(bucket.take(250)).to.be.closeTo(50, 0.001)
  })

  it('holds no more than the burst, however long nothing is taken', () => {
    const bucket = new TokenBucket(10, 2, 0)
    expect([bucket.take(1e6), bucket.take(1e6)]).to.deep.equal([0, 0])
    expect(bucket.take(1e6)).to.be.closeTo(100, 0.001)
  })

  it('gives one at once, or none', () => {
    const bucket = new TokenBucket(10, 2, 0)
    expect([bucket.tryTake(0), bucket.tryTake(0), bucket.tryTake(0)]).to.deep.equal([true, true, false])
    expect([bucket.tryTake(99), bucket.tryTake(101)], 'what was refused has cost nothing').to.deep.equal([
      false,
      true
    ])
  })
})
