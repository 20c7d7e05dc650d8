import { expect } from 'chai'
import { readOptions, UsageError } from '../../bench/options'

describe('The command line of the load test', () => {
  it('measures 50,000 subscriptions at 5,000 messages a second unless it is told otherwise', () => {
    expect(readOptions([])).to.deep.include({
      connections: 10_000,
      subscriptions: 50_000,
      fanOut: 1,
      rate: 5_000,
      qos: 0,
      tls: false,
      peers: ['ours', 'stock', 'mosquitto'],
      arePeersNamed: false
    })
  })

  it('makes 40,000 deliveries a second to five topics for each member when only a fan-out is given', () => {
    expect(readOptions(['--fan-out', '1000'])).to.deep.include({
      connections: 1_000,
      subscriptions: 5_000,
      rate: 40
    })
  })

  it('takes what is given', () => {
    const given =
      '--subscriptions 6,000 --connections 3000 --rate 7 --seconds 8 --rounds 9 --qos 2 --payload 64 --tls'
    expect(
      readOptions([...given.split(' '), '--peers', 'mosquitto,ours', '--json', 'a.json'])
    ).to.deep.include({
      connections: 3_000,
      subscriptions: 6_000,
      rate: 7,
      seconds: 8,
      rounds: 9,
      qos: 2,
      payload: 64,
      tls: true,
      peers: ['ours', 'mosquitto'],
      arePeersNamed: true,
      json: 'a.json'
    })
  })

  it('answers a request for help by nothing to run', () => {
    expect(readOptions(['--help'])).to.equal(undefined)
  })

  for (const [args, words] of [
    ['--rate x', '--rate must be a whole number from 1 to 1000000, and is "x"'],
    ['--rate 1.5', '--rate must be a whole number'],
    ['--qos 3', '--qos must be a whole number from 0 to 2'],
    ['--payload 8', '--payload must be a whole number from 20'],
    ['--peers emqx', '--peers are of ours, stock, mosquitto, and "emqx" is none'],
    ['--subscriptions 100 --connections 30', '--subscriptions must be a multiple of --connections'],
    ['--fan-out 7 --connections 10 --subscriptions 10', '--connections must be a multiple of --fan-out'],
    ['--conections 5', '--conections']
  ] as const) {
    it(`refuses ${args} in words`, () => {
      expect(() => readOptions(args.split(' '))).to.throw(UsageError, words)
    })
  }
})
