import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { LoadSetup, TaskAnswer } from './load-process'
import type { TaskName, Tasks } from './tasks'

interface Waiting {
  resolve(out: unknown): void
  reject(error: Error): void
  onProgress: ((done: number) => void) | undefined
}

/** A load process, as whoever directs the run sees it. */
export class LoadWorker {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #id = 0

  constructor(setup: LoadSetup) {
    this.#child = fork(join(__dirname, 'load-process.js'), [JSON.stringify(setup)], {
      serialization: 'advanced'
    })
    this.#child.on('message', message => this.#answered(message as TaskAnswer))
    this.#child.on('exit', code => this.#ended(`a load process ended with ${code}`))
  }

  ask<Name extends TaskName>(
    name: Name,
    given: Tasks[Name]['in'],
    onProgress?: (done: number) => void
  ): Promise<Tasks[Name]['out']> {
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (out: unknown) => void, reject, onProgress })
      this.#child.send({ id, name, in: given }, error => {
        if (error !== null) this.#ended(error.message)
      })
    })
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }

  #answered(answer: TaskAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    if ('progress' in answer) {
      waiting.onProgress?.(answer.progress)
      return
    }
    this.#waiting.delete(answer.id)
    if ('error' in answer) waiting.reject(new Error(answer.error))
    else waiting.resolve(answer.out)
  }

  #ended(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(why))
    this.#waiting.clear()
  }
}
