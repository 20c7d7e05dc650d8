import type { KeyState } from './key-state'

/** Where a key ring lies. */
export interface KeyStore {
  /** @returns undefined when there is nothing yet */
  load(): Promise<KeyState | undefined>
  /**
   * One change after another, those of other processes included: `change` gets what lies there now and may alter it; what it left is
   * kept for good before the promise resolves. Nothing is written when it altered nothing.
   */
  update(change: (state: KeyState | undefined) => KeyState): Promise<KeyState>
  /** Calls back when somebody else has changed it. @returns call it to stop */
  watch(onChange: () => void): () => void
}

/** Forgotten with the process. */
export class MemoryStore implements KeyStore {
  #state: KeyState | undefined

  load(): Promise<KeyState | undefined> {
    return Promise.resolve(this.#state && structuredClone(this.#state))
  }

  // What `change` throws must become a rejection, and nothing may come between the reading and the writing.
  // biome-ignore lint/suspicious/useAwait: see above
  async update(change: (state: KeyState | undefined) => KeyState): Promise<KeyState> {
    const state = change(this.#state && structuredClone(this.#state))
    this.#state = structuredClone(state)
    return state
  }

  watch(): () => void {
    return () => undefined
  }
}
