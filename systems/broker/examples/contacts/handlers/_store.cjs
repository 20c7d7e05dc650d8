// Contacts and requests, in one JSON file. What is asked twice is done once: handlers may get a message again.
const { readFileSync, renameSync, writeFileSync } = require('node:fs')

const FILE = process.env.CONTACTS_FILE ?? 'contacts.json'

/** @returns {{ requests: Record<string, string[]>, contacts: Record<string, string[]> }} by user id; requests: who asks to be a contact */
function read() {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return { requests: {}, contacts: {} }
    throw error
  }
}

function write(state) {
  writeFileSync(`${FILE}.tmp`, JSON.stringify(state, null, 2))
  renameSync(`${FILE}.tmp`, FILE) // whole, or not at all
}

const addTo = (list = [], id) => (list.includes(id) ? list : [...list, id])

module.exports = {
  addRequest(from, to) {
    const state = read()
    state.requests[to] = addTo(state.requests[to], from)
    write(state)
  },

  /** @returns {boolean} whether `from` has asked `to`, now or before */
  approve(from, to) {
    const state = read()
    const requests = state.requests[to] ?? []
    if (!requests.includes(from)) return (state.contacts[to] ?? []).includes(from)
    state.requests[to] = requests.filter(id => id !== from)
    state.contacts[to] = addTo(state.contacts[to], from)
    state.contacts[from] = addTo(state.contacts[from], to)
    write(state)
    return true
  },

  contactsOf: id => read().contacts[id] ?? [],
  requestsTo: id => read().requests[id] ?? []
}
