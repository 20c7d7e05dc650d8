import { expect } from 'chai'
import { type Guest, Places } from '../../lib/quotas/places'

describe('Places', () => {
  let gone: string[]
  beforeEach(() => {
    gone = []
  })

  function guest(network: string, name: string): Guest {
    return { network, displaced: () => gone.push(name) }
  }

  it('are taken from whoever came first of the network that has most', () => {
    const places = new Places(4)
    places.enter(guest('b', 'b1'))
    for (const name of ['a1', 'a2', 'a3']) places.enter(guest('a', name))
    expect(gone).to.deep.equal([])
    places.enter(guest('c', 'c1'))
    places.enter(guest('c', 'c2'))
    expect(gone).to.deep.equal(['a1', 'a2'])
    expect(places.size).to.equal(4)
  })

  it('are bounded for each network', () => {
    const places = new Places(10, 2)
    for (const name of ['a1', 'a2', 'a3', 'a4']) places.enter(guest('a', name))
    places.enter(guest('b', 'b1'))
    expect(gone).to.deep.equal(['a1', 'a2'])
    expect(places.size).to.equal(3)
  })

  it('are free again when a guest leaves, once', () => {
    const places = new Places(1)
    const first = guest('a', 'a1')
    places.enter(first)
    places.leave(first)
    places.leave(first)
    expect(places.size).to.equal(0)
    places.makeRoom()
    places.enter(guest('b', 'b1'))
    expect(gone).to.deep.equal([])
  })
})
