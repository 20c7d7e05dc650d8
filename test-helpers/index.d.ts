export * from '../dist/test/helpers/index'
