import { collectDefaultMetrics, Registry } from 'prom-client'

/** A registry with what Node tells of the process. @param name the label `service` of each metric */
export function createMetrics(name: string): Registry {
  const register = new Registry()
  register.setDefaultLabels({ service: name })
  collectDefaultMetrics({ register })
  return register
}
