import { type Connection, controlOf } from '../connection/connection'
import { TokenError } from '../errors/token-error'
import type { Admission } from './admission'
import type { BudgetEvents } from './memory-budget'
import type { ServerSettings } from './server-options'

/**
 * Carries out what the memory budget asks for, by the option `slowConsumer`: drops tokens, or breaks the connection.
 *
 * @param onDropped a connection has lost so many of its oldest tokens
 */
export function slowConsumers(
  { memoryBudgetBytes, maxQueueAge, policies }: ServerSettings,
  admission: Admission,
  onDropped: (count: number, connection: Connection) => void
): BudgetEvents<Connection> {
  const drops = policies.slowConsumer === 'drop'
  const drop = (connection: Connection, tokens: number) => {
    const count = controlOf(connection).dropOldest(tokens)
    if (count > 0) onDropped(count, connection)
  }
  return {
    onTooOld: (connection, tokens) => {
      if (drops) drop(connection, tokens)
      else controlOf(connection).fail(slowError(`a token waited longer than maxQueueAge, ${maxQueueAge} ms`))
    },
    waiting: () => admission.waiting,
    onEvict: connection => controlOf(connection).loseSession('evicted'),
    onDrop: connection => {
      if (drops) drop(connection, connection.tokensUnsent)
    },
    onOverBudget: connection => {
      const why = `the server is over memoryBudgetBytes, ${memoryBudgetBytes}, and its queues were the fullest`
      controlOf(connection).fail(slowError(why))
    }
  }
}

function slowError(why: string): TokenError {
  return new TokenError('ERR_SLOW_CONSUMER', `Cannot keep the connection: ${why}`)
}
