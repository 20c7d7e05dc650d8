/** Finds what was added under the filters that match a topic. */
export interface TopicMatcher<T> {
  add(filter: string, value: T): void
  remove(filter: string, value: T): void
  /** In no order. A filter that begins with a wildcard matches topics that begin with `$` as well. */
  match(topic: string): T[]
}

/** qlobber, which has no types of its own. Filters and topics have at most 100 levels, else it throws. */
const { Qlobber } = require('qlobber') as { Qlobber: new <T>(options: object) => TopicMatcher<T> }

export function createTopicMatcher<T>(): TopicMatcher<T> {
  return new Qlobber<T>({
    separator: '/',
    wildcard_one: '+',
    wildcard_some: '#',
    match_empty_levels: true,
    max_words: 100
  })
}
