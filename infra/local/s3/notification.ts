import { existingBucket } from "./buckets.ts";
import { type S3Context, type S3Handler, xmlResponse } from "./context.ts";
import { notImplemented, S3Error } from "./errors.ts";
import { buildEvent, deploymentId, type EventName, nextSequencer } from "./event.ts";
import { readXml, receiveXml } from "./receive.ts";
import { requireBucket, type S3Request } from "./request.ts";
import type { StoredObject } from "./store.ts";
import { childText, element, type XmlElement, xmlDocument } from "./xml.ts";

interface Notification {
  readonly id: string;
  readonly arn: string;
  readonly events: readonly string[];
  readonly prefix?: string;
  readonly suffix?: string;
}

const EVENT_NAMES = new Set([
  "s3:ObjectCreated:*",
  "s3:ObjectCreated:Put",
  "s3:ObjectCreated:Copy",
  "s3:ObjectCreated:CompleteMultipartUpload",
]);

export const getNotification: S3Handler = (context, request) => {
  const bucket = requireBucket(request);
  existingBucket(context, bucket);
  const configurations = read(context, bucket).map((notification) =>
    element("QueueConfiguration", [
      element("Id", notification.id),
      element("Queue", notification.arn),
      ...notification.events.map((event) => element("Event", event)),
      filter(notification),
    ]),
  );
  return xmlResponse(xmlDocument(element("NotificationConfiguration", configurations)));
};

export const putNotification: S3Handler = async (context, request) => {
  const bucket = requireBucket(request);
  existingBucket(context, bucket);
  const document = await receiveXml(request);
  if (document.name !== "NotificationConfiguration") throw new S3Error("MalformedXML");
  const notifications = document.children.map((child, index) => readXml(() => parse(context, child, index)));
  context.database
    .prepare("UPDATE buckets SET notification = ? WHERE name = ?")
    .run(JSON.stringify(notifications), bucket);
  return { status: 200 };
};

/** Enqueues the event of a write for every subscribed target. Call it in the transaction of the write. */
export function queueEvents(
  context: S3Context,
  request: S3Request,
  eventName: EventName,
  bucket: string,
  object: StoredObject,
): void {
  const wanted = read(context, bucket).filter((notification) => wants(notification, eventName, object.key));
  const arns = new Set(wanted.map((notification) => notification.arn));
  if (arns.size === 0) return;
  const event = buildEvent(eventName, request, bucket, object, {
    endpoint: context.endpoint(),
    deploymentId: deploymentId(context.database),
    sequencer: nextSequencer(context.database),
  });
  for (const arn of arns) context.events.add(arn, event);
}

// --- utils ---

function read({ database }: S3Context, bucket: string): Notification[] {
  const row = database.prepare("SELECT notification FROM buckets WHERE name = ?").get(bucket);
  return JSON.parse(String(row?.notification ?? "[]")) as Notification[];
}

function wants({ events, prefix = "", suffix = "" }: Notification, eventName: EventName, key: string): boolean {
  const named = events.includes("s3:ObjectCreated:*") || events.includes(eventName);
  return named && key.startsWith(prefix) && key.endsWith(suffix);
}

function parse({ events }: S3Context, source: XmlElement, index: number): Notification {
  if (source.name !== "QueueConfiguration") throw notImplemented(`${source.name} in a notification configuration`);
  const unknown = source.children.find((child) => !/^(Id|Queue|Event|Filter)$/.test(child.name));
  if (unknown) throw notImplemented(`${unknown.name} in a QueueConfiguration`);
  const arn = childText(source, "Queue")?.trim() ?? "";
  if (!events.knows(arn)) {
    throw new S3Error("InvalidArgument", `A specified destination ARN does not exist or is not well-formed: ${arn}`);
  }
  const names = source.children.filter((child) => child.name === "Event").map((child) => child.text.trim());
  const strange = names.find((name) => !EVENT_NAMES.has(name));
  if (strange !== undefined) throw notImplemented(`the event ${strange}`);
  if (names.length === 0) throw new S3Error("MalformedXML", "A QueueConfiguration has no Event.");
  return { id: childText(source, "Id") ?? `notification-${index + 1}`, arn, events: names, ...parseFilter(source) };
}

function parseFilter(source: XmlElement): Pick<Notification, "prefix" | "suffix"> {
  const rules = source.children
    .filter((child) => child.name === "Filter")
    .flatMap((child) => child.children)
    .flatMap((child) => {
      if (child.name !== "S3Key") throw notImplemented(`${child.name} in a Filter`);
      return child.children;
    });
  const result: { prefix?: string; suffix?: string } = {};
  for (const rule of rules) {
    const name = childText(rule, "Name")?.trim().toLowerCase();
    if (name !== "prefix" && name !== "suffix") {
      throw new S3Error("InvalidArgument", "filter rule name must be either prefix or suffix");
    }
    if (result[name] !== undefined)
      throw new S3Error("InvalidArgument", `Cannot specify more than one ${name} rule in a filter.`);
    result[name] = childText(rule, "Value") ?? "";
  }
  return result;
}

function filter({ prefix, suffix }: Notification): string {
  const rules = Object.entries({ prefix, suffix }).flatMap(([name, value]) =>
    value === undefined ? [] : [element("FilterRule", [element("Name", name), element("Value", value)])],
  );
  return rules.length === 0 ? "" : element("Filter", [element("S3Key", rules)]);
}
