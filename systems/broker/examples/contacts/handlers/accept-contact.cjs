const { handler } = require('@token-server/broker/client')
const contactId = require('./_contact-id.cjs')
const store = require('./_store.cjs')

module.exports = handler(
  'accept_contact',
  async (payload, { sender, publishTo }) => {
    console.log(`accept_contact from ${sender.id}`)
    const contact = contactId(payload)
    // Only who was asked accepts: the sender is what the broker has verified.
    if (!store.approve(contact, sender.id)) throw new Error('nobody has asked')
    await publishTo(contact, 'contact_approved', { contact: sender.id })
  },
  { deadLetter: true, retries: 0 }
)
