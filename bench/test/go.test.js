import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { Bench } from '../lib/bench.js'
import { CONTENDERS } from '../lib/contenders/index.js'
import { seededRandom } from '../lib/random.js'
import { SilentProgress, stageOf } from './helpers/misbehaving.js'

const skip = spawnSync('go', ['version']).status === 0 ? false : 'go is not installed'
const PACE = { ms: 10, warmUpMs: 10, rounds: 1, connections: 0, budget: 60_000 }

test('the peer in Go sends and takes messages of each size in both directions, over TLS 1.3', {
  skip
}, async () => {
  const bench = new Bench({
    random: seededRandom(1),
    progress: new SilentProgress(),
    contenders: { go: CONTENDERS.go }
  })
  try {
    await bench.start([stageOf(['go'])])
    assert.match(bench.versions.go, /^\d+\.\d+/)
    for (const size of [16, 64, 1024, 1024 * 1024]) {
      for (const direction of ['up', 'down']) {
        const [{ values, skipped, ciphers }] = await bench.run(
          { ...stageOf(['go'], { direction }), size },
          PACE
        )
        assert.deepEqual(skipped, {})
        const [figures] = values.go
        assert.ok(figures.rate > 0 && figures.senderCpu > 0 && figures.receiverCpu > 0)
        assert.match(ciphers.go, /^TLS_(AES|CHACHA20)/)
      }
    }
  } finally {
    await bench.stop()
  }
})
