import { expect } from 'chai'
import { drawLamp } from '../../examples/lamp/draw-lamp'
import type { LampState } from '../../examples/lamp/lamp'

const ON: LampState = { on: true, brightness: 100, colour: 'warm' }

/** What colours a text takes for its background. */
const backgrounds = (lines: string[]) => new Set(lines.join('').match(/48;[25];[\d;]+/g))

describe('drawLamp', () => {
  it('draws the same shape, brighter and darker', () => {
    for (const colours of ['many', 'few'] as const) {
      const [bright, dim, off] = [ON, { ...ON, brightness: 10 }, { ...ON, on: false }].map(state =>
        drawLamp(state, colours)
      )
      expect(bright).to.have.length(dim?.length as number)
      expect(bright).to.have.length(off?.length as number)
      expect(backgrounds(bright as string[]).size).to.be.greaterThan(backgrounds(off as string[]).size)
      expect(backgrounds(off as string[]).size).to.equal(1)
    }
    expect([...backgrounds(drawLamp(ON, 'many'))]).to.include('48;2;255;190;100')
  })

  it('says in words what it shows, and leaves the terminal its colours', () => {
    expect(drawLamp(ON, 'many').at(-1)).to.match(/on, 100 %, warm$/)
    for (const line of drawLamp(ON, 'few').slice(0, -1)) expect(line.endsWith('\u001b[0m')).to.equal(true)
  })
})
