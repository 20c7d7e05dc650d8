import { Counter, Gauge, type Registry } from 'prom-client'

type ByLabel = () => Readonly<Record<string, number>>

/** Metrics of what is counted elsewhere: they are read when somebody asks for them, so that counting costs nothing. */
export class ReadMetrics {
  readonly #registers: Registry[]

  constructor(register: Registry) {
    this.#registers = [register]
  }

  /** A value that rises and falls. */
  gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: this.#registers,
      collect() {
        this.set(value())
      }
    })
  }

  /** A sum that only rises. */
  counter(name: string, help: string, value: () => number): void {
    new Counter({
      name,
      help,
      registers: this.#registers,
      collect() {
        this.reset()
        this.inc(value())
      }
    })
  }

  /** Such a sum for each value of a label. */
  counterBy(label: string, name: string, help: string, values: ByLabel): void {
    new Counter({
      name,
      help,
      registers: this.#registers,
      labelNames: [label],
      collect() {
        this.reset()
        for (const [value, count] of Object.entries(values())) this.inc({ [label]: value }, count)
      }
    })
  }
}
