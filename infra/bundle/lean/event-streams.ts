/** Stands in for `@smithy/core/event-streams` in the bundles: no operation that the functions call sends or answers an event stream. */
export const eventStreamSerdeProvider = () => ({});
export const resolveEventStreamSerdeConfig = <T>(config: T): T => config;
export const EventStreamSerde = undefined;
