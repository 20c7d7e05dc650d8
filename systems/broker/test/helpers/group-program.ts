import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { onCleanUp } from '@token-server/test-helpers'

const PROGRAM = join(__dirname, '../programs/group-broker.js')

export interface GroupProgram {
  readonly port: number
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>
}

/** One of several brokers on that Redis, in a process of its own; it is killed at the end of the test. @param on its port; 0: any */
export async function startGroupBroker(redisUrl: string, on = 0): Promise<GroupProgram> {
  const program = fork(PROGRAM, [redisUrl, String(on)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onCleanUp(() => void program.kill('SIGKILL'))
  const [port] = (await once(program, 'message')) as [number]
  const kill = async () => {
    const gone = once(program, 'exit')
    program.kill('SIGKILL')
    await gone
  }
  return { port, kill }
}
