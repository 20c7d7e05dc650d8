import { FakeClock } from '../../lib/testing'

/** Each test of a suite has a clock of its own, which the library goes by until the test is over. */
export function usesFakeClock(take: (clock: FakeClock) => void = () => {}): void {
  let restore = () => {}

  beforeEach(() => {
    const clock = new FakeClock()
    restore = clock.install()
    take(clock)
  })

  afterEach(() => restore())
}
