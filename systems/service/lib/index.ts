export type { Bus, BusEvents, BusLimits, BusListener, BusStats } from './bus/bus'
export { type BusOptions, createBus } from './bus/create-bus'
export { MemoryHub } from './bus/memory-bus'
export { redisClient, redisReason } from './bus/redis-client'
export {
  type CertificateOptions,
  type OpenCertificates,
  openCertificates
} from './certificates/open-certificates'
export { type WatchFilesOptions, watchFiles } from './certificates/watch-files'
export { type BaseConfig, baseSchema, jwtFields } from './config/base-schema'
export { type CommandConfig, readCommandConfig } from './config/command-config'
export { onOrOff, secret, url, wholeNumber } from './config/fields'
export { type Environment, type OldName, type OldNames, renamed } from './config/old-names'
export { type Config, type ReadConfigOptions, readConfig } from './config/read-config'
export { ServiceError, type ServiceErrorCode } from './errors/service-error'
export { type Check, Readiness, type ReadinessEvents } from './health/readiness'
export { type AdminListener, type AdminOptions, listenForAdmin } from './http/admin-listener'
export { type Fetch, HttpDoor, type HttpDoorOptions, type HttpLimits } from './http/http-door'
export type { WebSocketPath } from './http/web-sockets'
export { TokenBucket } from './limits/token-bucket'
export { createLogger, type LoggerOptions } from './logging/create-logger'
export { LimitedLog } from './logging/limited-log'
export { Loggly, type LogglyOptions } from './logging/loggly'
export { withoutSecrets } from './logging/without-secrets'
export { busMetrics } from './metrics/bus-metrics'
export { createMetrics } from './metrics/create-metrics'
export { httpMetrics } from './metrics/http-metrics'
export { logglyMetrics } from './metrics/loggly-metrics'
export { ReadMetrics } from './metrics/read-metrics'
export { tokenMetrics } from './metrics/token-metrics'
export { createService, type Service } from './service/create-service'
export type { ServiceOptions, ServiceParts, ServiceProtocol } from './service/service-options'
export {
  Shutdown,
  type ShutdownOptions,
  type ShutdownPhase,
  type ShutdownResult,
  type ShutdownStep
} from './shutdown/shutdown'
