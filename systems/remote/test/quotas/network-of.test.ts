import { expect } from 'chai'
import { networkOf } from '../../lib/quotas/network-of'

describe('The network of an address', () => {
  it('is the first half of an IPv6 address, however it is written', () => {
    for (const address of ['2001:db8:7:1::1', '2001:0db8:0007:1:2:3:4:5', '2001:DB8:7:1:ffff:ffff:ffff:ffff'])
      expect(networkOf(address), address).to.equal('2001:db8:7:1')
    expect(networkOf('2001:db8::1')).to.equal('2001:db8:0:0')
    expect(networkOf('::1')).to.equal('0:0:0:0')
    expect(networkOf('fe80::1%eth0')).to.equal('fe80:0:0:0')
  })

  it('is any other address as it is', () => {
    for (const address of ['192.0.2.1', '::ffff:192.0.2.1', '']) expect(networkOf(address)).to.equal(address)
    expect(networkOf()).to.equal('')
  })
})
