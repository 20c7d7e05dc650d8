import { join } from 'node:path'
import { testFolderMap } from '@token-server/test-helpers'

describe('The folders of lib/', () => testFolderMap(join(__dirname, '../..')))
