import { fieldOf } from '../encoding/json'
import { RemoteError } from '../errors/remote-error'
import type { Clock } from '../time/clock'
import { isNumber, MAX_EVENT_LENGTH } from '../wire/message'
import type { AnswerMemory } from './answer-memory'
import { answerText, failureText, handlerFailure, jsonOf, refusal, type Told } from './answers'
import { Command, type DeviceSession } from './command'
import { CommandQueue, REFUSED } from './command-queue'
import { MAX_WAITING_LENGTH } from './device-client'
import type { DeviceState } from './device-state'
import type { CommandClient, CommandContext, Handler } from './handler'
import type { Lease } from './lease'

export interface CommandsOptions {
  readonly clock: Clock
  readonly memory: AnswerMemory
  readonly state: DeviceState
  readonly lease: Lease
  readonly handlerOf: (event: string) => Handler | undefined
  readonly isConcurrent: (event: string) => boolean
  readonly maxQueuedCommands: number
  readonly maxQueuedPerClient: number
  readonly handlerTimeout: number
  readonly maxMessageBytes: number
  readonly mayUse: (keyId: string, event: string) => true | string
  readonly nameOf: (keyId: string) => string | undefined
  readonly onHandlerError: (error: unknown, event: string) => void
  /** An answer, for those who watch. `response`: as JSON. */
  readonly replied: (command: Command, text: string) => void
}

/** What clients command: each runs once at most, however often it is asked for. */
export class Commands {
  readonly #options: CommandsOptions
  readonly #queue: CommandQueue
  #isClosed = false

  constructor(options: CommandsOptions) {
    this.#options = options
    this.#queue = new CommandQueue({
      clock: options.clock,
      maxCommands: options.maxQueuedCommands,
      handlerTimeout: options.handlerTimeout,
      isConcurrent: options.isConcurrent,
      run: command => this.#run(command),
      succeeded: (command, value) => this.#succeeded(command, value),
      failed: (command, error) => this.#failed(command, error),
      timedOut: command => this.#timedOut(command)
    })
  }

  /** That wait or run. */
  get size(): number {
    return this.#queue.size
  }

  request([, number, event, payload, extra]: readonly unknown[], session: DeviceSession): void {
    if (!isNumber(number)) return
    const { record } = session
    const known = record.commands.get(number)
    if (known !== undefined) {
      known.session = session
      if (known.phase === 'done') session.answer(known)
      return
    }
    if (session.isRetired && number > record.forgotten) {
      session.answer({ number, text: `["again",${number}]`, hasLeft: false })
      return
    }
    const error = this.#check(number, event, session)
    if (error !== undefined) {
      session.answer({ number, text: failureText(number, error), hasLeft: false })
      return
    }
    const [ifRev, timeout] = [fieldOf(extra, 'ifRev'), fieldOf(extra, 'timeout')]
    const command = new Command(
      number,
      event as string,
      payload,
      typeof ifRev === 'number' ? ifRev : undefined,
      this.#options.clock.now() + (typeof timeout === 'number' ? timeout : session.timeout),
      session
    )
    record.commands.set(number, command)
    this.#queue.add(command)
  }

  /** Nobody waits for it any more. */
  cancel(number: unknown, session: DeviceSession): void {
    const command = session.record.commands.get(number as number)
    if (command === undefined || command.phase === 'done') return
    if (command.phase === 'running') {
      command.abort(new Error('nobody waits for the answer any more'))
      return
    }
    this.#queue.remove(command)
    this.#forget(command)
  }

  acknowledge(floor: unknown, session: DeviceSession): void {
    if (isNumber(floor)) this.#options.memory.acknowledge(session.record, floor)
  }

  /** A key counts no more: what waits under it never runs, what runs is told, and its clients are told which was which. */
  revoke(keyId: string): void {
    for (const command of this.#queue.select(({ session }) => session.keyId === keyId)) {
      const ran = command.phase === 'running' ? 'yes' : 'no'
      if (ran === 'no') this.#queue.remove(command)
      const why = 'Cannot do what was asked: because its key counts no more'
      const { number, session } = command
      session.answer({
        number,
        text: failureText(number, new RemoteError('bad-key', why, { ran, reason: 'revoked' })),
        hasLeft: false
      })
      if (ran === 'no') this.#forget(command)
      else command.abort(new Error('the key was revoked'))
    }
  }

  /** Takes no more. What waits is refused; what runs is answered as ever, and refused after so many milliseconds. */
  async close(timeout: number): Promise<void> {
    this.#isClosed = true
    for (const command of this.#queue.select(({ phase }) => phase === 'waiting')) {
      this.#queue.remove(command)
      this.#dismiss(command, 'no')
    }
    await this.#queue.idle(timeout)
    for (const command of this.#queue.select(() => true)) {
      this.#dismiss(command, 'yes')
      command.abort(new Error('the device was closed'))
    }
    this.#queue.close()
  }

  #dismiss(command: Command, ran: 'yes' | 'no'): void {
    const error = refusal('the device is going away', 'shutting-down', ran)
    this.#answer(command, failureText(command.number, error))
  }

  /** Why a request is not taken; undefined: it is. */
  #check(number: number, event: unknown, { record, keyId, waitingLength }: DeviceSession): Told | undefined {
    if (number <= record.forgotten)
      return refusal(
        'it may have been done before, and the answer is not kept any more',
        'forgotten',
        'maybe'
      )
    if (this.#isClosed) return refusal('the device is going away', 'shutting-down')
    if (typeof event !== 'string' || event === '' || event.length > MAX_EVENT_LENGTH)
      return refusal('its event is none', 'unknown-event')
    const may = this.#options.mayUse(keyId, event)
    if (may !== true) return refusal('this key may not do it', may)
    const { maxQueuedPerClient } = this.#options
    if (record.queue.size >= maxQueuedPerClient) {
      const why = `${record.queue.size} commands of this client wait or run, bound ${maxQueuedPerClient}`
      return refusal(why, 'too-many-queued')
    }
    if (this.#queue.isFull || waitingLength >= MAX_WAITING_LENGTH)
      return refusal('the device has too much to do', 'busy')
    return undefined
  }

  #run(command: Command): unknown {
    const { clock, lease, state, handlerOf } = this.#options
    const { event, record, ifRev, session, deadline } = command
    if (clock.now() >= deadline)
      return this.#refuse(command, refusal('nobody waits for it any more', 'expired'))
    if (!lease.isFree(record))
      return this.#refuse(command, refusal('somebody else has the device for themselves', 'leased'))
    if (ifRev !== undefined && ifRev !== state.rev) {
      const why = `Cannot do what was asked: because the state has revision ${state.rev} by now`
      return this.#refuse(command, new RemoteError('stale', why, { rev: state.rev }))
    }
    if (session.waitingLength >= MAX_WAITING_LENGTH)
      return this.#refuse(command, refusal('the client reads too slowly', 'busy'))
    const run = handlerOf(event)
    if (run === undefined)
      return this.#refuse(command, refusal('the device knows no such event', 'unknown-event'))
    return run(
      { requestId: command.requestId, event, payload: command.payload },
      new Context(command, this.#options)
    )
  }

  #refuse(command: Command, error: Told): typeof REFUSED {
    command.phase = 'done'
    this.#forget(command)
    const { number, session } = command
    session.answer({ number, text: failureText(number, error), hasLeft: false })
    return REFUSED
  }

  #succeeded(command: Command, value: unknown): void {
    const { session, number } = command
    const { state, maxMessageBytes, replied } = this.#options
    const rev = session.toldRev === state.rev ? 0 : state.rev
    let text: string
    try {
      text = answerText(number, rev, value, maxMessageBytes)
      session.toldRev = state.rev
    } catch (error) {
      text = failureText(number, error as RemoteError)
      log(this.#options, error, command)
    }
    this.#answer(command, text)
    replied(command, text)
  }

  #failed(command: Command, error: unknown): void {
    this.#answer(command, failureText(command.number, handlerFailure(error)))
    log(this.#options, error, command)
  }

  #timedOut(command: Command): void {
    const why = 'Cannot do what was asked: because its handler has taken too long'
    const error = new RemoteError('handler-failed', why, { ran: 'yes', reason: 'too-long' })
    this.#answer(command, failureText(command.number, error))
    command.abort(error)
  }

  /** It has run: what is said now is said again whenever it is asked for. */
  #answer(command: Command, text: string): void {
    command.phase = 'done'
    command.text = text
    command.payload = undefined
    this.#options.memory.keep(command)
    command.session.answer(command)
  }

  /** It has not run. */
  #forget({ record, number }: Command): void {
    record.commands.delete(number)
  }
}

const NOBODY_LISTENS = () => {}

class Context implements CommandContext {
  readonly #command: Command
  readonly #options: CommandsOptions

  constructor(command: Command, options: CommandsOptions) {
    this.#command = command
    this.#options = options
  }

  get client(): CommandClient {
    const { keyId } = this.#command.session
    const name = this.#options.nameOf(keyId)
    return { keyId, ...(name !== undefined && { name }) }
  }

  get state(): DeviceState {
    return this.#options.state
  }

  get signal(): AbortSignal {
    return this.#command.signal
  }

  get progress(): (value: unknown) => void {
    const command = this.#command
    if (command.phase === 'done') return NOBODY_LISTENS
    return value => {
      if (command.phase === 'done') return
      try {
        const text = jsonOf(value, this.#options.maxMessageBytes) ?? 'null'
        command.session.say(`["progress",${command.number},${text}]`)
      } catch (error) {
        log(this.#options, error, command)
      }
    }
  }
}

/** What is told to nobody but the device's log. */
function log({ onHandlerError }: CommandsOptions, error: unknown, { event }: Command): void {
  try {
    onHandlerError(error, event)
  } catch {}
}
