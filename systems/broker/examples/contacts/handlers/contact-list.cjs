const { handler } = require('@token-server/broker/client')
const store = require('./_store.cjs')

module.exports = handler('get_contact_list', async (_payload, { sender, publishTo }) => {
  console.log(`get_contact_list from ${sender.id}`)
  await publishTo(sender.id, 'contact_list', store.contactsOf(sender.id))
})
