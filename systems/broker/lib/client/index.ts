export type { Log } from '../core/log'
export {
  type HandlerContext,
  type HandlerDefinition,
  type HandlerOptions,
  handler
} from '../handlers/handler'
export { loadHandlers } from '../handlers/load-handlers'
export { type MqttClientLike, type MqttPacketLike, overMqtt } from '../handlers/over-mqtt'
export { type ServeOptions, serveHandlers, topicOf } from '../handlers/serve-handlers'
export { type Joined, TopicClient, type TopicClientEvents, type TopicClientOptions } from './topic-client'
export { TopicError, type TopicErrorCode } from './topic-error'
export type {
  PublishOptions,
  Sender,
  SubscribeOptions,
  TopicListener,
  TopicMessage,
  Topics
} from './topics'
