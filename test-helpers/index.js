// The helpers are compiled with the tests that share them; a package can name no file outside of its folder.
module.exports = require('../dist/test/helpers/index.js')
