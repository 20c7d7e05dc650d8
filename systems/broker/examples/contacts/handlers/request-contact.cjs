const { handler } = require('@token-server/broker/client')
const contactId = require('./_contact-id.cjs')
const store = require('./_store.cjs')

module.exports = handler(
  'request_contact',
  async (payload, { sender, publishTo }) => {
    console.log(`request_contact from ${sender.id}`)
    const contact = contactId(payload)
    store.addRequest(sender.id, contact)
    await publishTo(contact, 'contact_requested', { from: sender.id })
  },
  { deadLetter: true }
)
