import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { openToAll } from './open-broker'
import { TestBroker } from './test-broker'

/**
 * Its own command line is broken by unittest, so that it is loaded as a module. A subscription that is refused is one of `$`, for
 * the broker of this suite lets everybody do all else.
 */
const RUNNER = `
import sys, unittest, logging
sys.path.insert(0, sys.argv[1])
import client_test as suite
suite.host, suite.port = '127.0.0.1', int(sys.argv[2])
suite.topics = ('TopicA', 'TopicA/B', 'Topic/C', 'TopicA/C', '/TopicA')
suite.wildtopics = ('TopicA/+', '+/C', '#', '/#', '/+', '+/+', 'TopicA/#')
suite.nosubscribe_topics = ('$SYS/nosubscribe',)
logging.getLogger().setLevel(logging.ERROR)
result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromModule(suite))
print('RESULT', result.testsRun, len(result.failures) + len(result.errors))
`

export interface PahoResult {
  readonly run: number
  readonly failed: number
  readonly output: string
}

/** @param folder a copy of eclipse/paho.mqtt.testing */
export async function runPaho(folder: string): Promise<PahoResult> {
  const test = await TestBroker.start(openToAll())
  try {
    const args = ['-c', RUNNER, join(folder, 'interoperability'), String(test.port)]
    const program = spawn('python3', args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [program.stdout, program.stderr]) {
      stream.setEncoding('utf8').on('data', text => {
        output += text
      })
    }
    await new Promise<void>((resolve, reject) => {
      program.once('error', reject)
      program.once('close', () => resolve())
    })
    const [, run = '0', failed = '1'] = /^RESULT (\d+) (\d+)$/m.exec(output) ?? []
    return { run: Number(run), failed: Number(failed), output }
  } finally {
    await test.stop()
  }
}
