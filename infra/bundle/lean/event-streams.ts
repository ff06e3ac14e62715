/** Replaces `@smithy/core/event-streams` in the bundles: no operation of the functions uses an event stream. */
export const eventStreamSerdeProvider = () => ({});
export const resolveEventStreamSerdeConfig = <T>(config: T): T => config;
export const EventStreamSerde = undefined;
