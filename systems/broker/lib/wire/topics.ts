/** Topic names and topic filters of MQTT 3.1.1, section 4.7, as pure functions. */

/** Whether a message may bear this topic. */
export function isTopicName(topic: string): boolean {
  return topic.length > 0 && !isWildcard(topic) && isMqttText(topic)
}

/** Whether `#` stands alone in the last level and each `+` alone in its own [MQTT-4.7.1-2, MQTT-4.7.1-3]. */
export function isTopicFilter(filter: string): boolean {
  if (filter.length === 0 || !isMqttText(filter)) return false
  if (!isWildcard(filter)) return true
  const levels = filter.split('/')
  return levels.every((level, at) => {
    if (level === '#') return at === levels.length - 1
    return level === '+' || !isWildcard(level)
  })
}

const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u

/** Whether a text can be a string of MQTT: no control characters, halves of pairs and non-characters [MQTT-1.5.3-1, MQTT-1.5.3-2]. */
export function isMqttText(text: string): boolean {
  return !FORBIDDEN.test(text)
}

export function isWildcard(filter: string): boolean {
  return filter.includes('#') || filter.includes('+')
}

export function levelCount(topic: string): number {
  let levels = 1
  for (let at = topic.indexOf('/'); at !== -1; at = topic.indexOf('/', at + 1)) levels++
  return levels
}

/** Whether a message with this topic goes to a subscription with this filter. */
export function matches(filter: string, topic: string): boolean {
  if (filter === topic) return !isWildcard(filter)
  if (topic.startsWith('$') !== filter.startsWith('$')) return false // [MQTT-4.7.2-1]
  return coversLevels(filter.split('/'), topic.split('/'))
}

/** Whether each topic that matches `filter` matches `pattern` as well. */
export function covers(pattern: string, filter: string): boolean {
  if (pattern.startsWith('$') !== filter.startsWith('$')) return false
  return coversLevels(pattern.split('/'), filter.split('/'))
}

/** A topic is a filter without wildcards, so that one walk answers both questions. */
function coversLevels(pattern: readonly string[], filter: readonly string[]): boolean {
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === '#') return true // its parent level too [MQTT-4.7.1-2]
    const level = filter[at]
    if (level === undefined || level === '#') return false
    if (pattern[at] !== '+' && pattern[at] !== level) return false
  }
  if (filter.length === pattern.length) return true
  return false
}
