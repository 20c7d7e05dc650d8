// A payload names the other user: { "contact": "23412" }. It comes from a device, so it is checked.
module.exports = function contactId({ contact }) {
  const id = String(contact)
  if (!/^[\w-]{1,64}$/.test(id) || id.includes('_')) throw new Error('the contact is no user id')
  return id
}
