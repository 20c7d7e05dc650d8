import { closesWhatItOpened } from '@token-server/test-helpers'
import { expect } from 'chai'
import { createLogger } from '../../lib'
import { Lines } from '../helpers/services'

describe('createLogger', () => {
  closesWhatItOpened()

  it('writes a line of JSON for each call, with a name, a level and a time', () => {
    const lines = new Lines()
    createLogger({ name: 'a', destination: lines }).info({ topic: 'x' }, 'hello')
    expect(lines.all).to.have.length(1)
    expect(lines.all[0]).to.include({ name: 'a', level: 'info', topic: 'x', msg: 'hello' })
    expect(lines.all[0]?.time).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  })

  it('writes what its level asks for, to each of its destinations', () => {
    const [lines, more] = [new Lines(), new Lines()]
    const log = createLogger({ name: 'a', level: 'warn', destination: lines, also: [more] })
    log.info('not this')
    log.error(new Error('this'))
    for (const { all } of [lines, more]) {
      expect(all.map(({ level }) => level)).to.deep.equal(['error'])
      expect(all[0]?.err).to.include({ type: 'Error', message: 'this' })
    }
  })

  it('writes no secret, wherever it stands, also by a child and into each destination', () => {
    const canary = 'canary-1c7a'
    const [lines, more] = [new Lines(), new Lines()]
    const log = createLogger({ name: 'a', destination: lines, also: [more], secrets: [canary] })
    log.info({ deep: { password: 'x9' } }, canary)
    log.child({ token: 'x9' }).error(new Error(canary))
    for (const { text } of [lines, more]) expect(text).to.not.include(canary).and.not.include('x9')
    expect(lines.all).to.have.length(2)
  })
})
