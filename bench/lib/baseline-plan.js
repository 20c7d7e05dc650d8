import { STAGES } from './plan.js'

const CONTENDERS = ['raw-tls', 'ours-2']
const ITEMS = ['64B-up', '1KiB-up', '64KiB-up', '1MiB-up', '1MiB-down', '64-outstanding', 'deliver']

/** The items of the benchmark that tell what a token costs, of ours and raw tls alone. */
export const BASELINE_STAGES = STAGES.flatMap(stage => {
  const items = stage.items.filter(({ id }) => ITEMS.includes(id)).map(guarded)
  const names = [...new Set(items.flatMap(({ contenders }) => contenders))]
  return items.length === 0 ? [] : [{ ...stage, items, contenders: names }]
})

function guarded(item) {
  const contenders = item.id === 'deliver' ? ['raw-tls', 'ours-deliver'] : CONTENDERS
  return { ...item, contenders, base: 'raw-tls' }
}
