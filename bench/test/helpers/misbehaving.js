import { Progress } from '../../lib/progress.js'

const FILE = new URL('contenders/misbehaving.js', import.meta.url).href

/** A contender of raw bytes with this fault; without one it is in order. */
export function misbehaving(fault, more = {}) {
  return {
    title: `one that ${fault}`,
    file: FILE,
    variant: { fault },
    isRaw: true,
    ...more
  }
}

/** Tells nobody, and keeps the lines. */
export class SilentProgress extends Progress {
  lines = []

  step() {}

  line(text) {
    this.lines.push(text)
  }
}

/** A stage of one item with these contenders. */
export function stageOf(names, item = {}) {
  return {
    size: 64,
    connections: 1,
    contenders: names,
    items: [
      {
        id: 'row',
        title: 'the row',
        kind: 'one-way',
        direction: 'up',
        base: 'good',
        contenders: names,
        ...item
      }
    ]
  }
}
