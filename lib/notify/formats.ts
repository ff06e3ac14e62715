import type { Notice, NoticeChange, NoticeFinding } from "../model/notice.ts";
import { describeCounts } from "../model/verdicts.ts";

const more = (count: number, shown: number) => (count > shown ? `and ${count - shown} more` : undefined);

/** Slack's markup. https://api.slack.com/reference/surfaces/formatting#escaping */
const forSlack = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const slackLink = (url: string, text: string) =>
  url === ""
    ? forSlack(text)
    : `<${encodeURI(url).replaceAll("%25", "%").replaceAll("|", "%7C")}|${forSlack(text).replaceAll("|", "¦")}>`;

function slack(notice: Notice): object {
  const { title, test, fresh, changed, counts } = notice;
  const line = ({ severity, url, name, location }: NoticeFinding | NoticeChange, change = "") =>
    [`• ${severity === undefined ? "" : `*${severity}* `}${slackLink(url, name)}`, forSlack(location), forSlack(change)]
      .filter((part) => part !== "")
      .join(" – ");
  const lines = [
    `*${forSlack(title)}*`,
    ...fresh.shown.map((one) => line(one)),
    more(fresh.count, fresh.shown.length),
    ...changed.shown.map((one) => line(one, one.change)),
    more(changed.count, changed.shown.length),
    `${slackLink(test.url, test.name)}: ${forSlack(describeCounts(counts))}`,
  ];
  return { text: lines.filter((each) => each !== undefined).join("\n") };
}

/** Markdown in Adaptive Cards. */
const forTeams = (text: string) => text.replace(/[\\`*_[\]#<>~]/g, "\\$&");

/** An Adaptive Card for workflows of Teams. https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using */
function teams(notice: Notice): object {
  const { title, test, fresh, changed, counts } = notice;
  const text = (content: string, look: object = {}) => ({ type: "TextBlock", text: content, wrap: true, ...look });
  const link = ({ url, name }: NoticeFinding | NoticeChange) =>
    url === "" ? forTeams(name) : `[${forTeams(name)}](${url.replaceAll(")", "%29")})`;
  const lines = [
    ...fresh.shown.map((one) => `- **${one.severity}** ${link(one)} ${forTeams(one.location)}`.trimEnd()),
    more(fresh.count, fresh.shown.length),
    ...changed.shown.map((one) => `- ${link(one)}: ${forTeams(one.change)}`),
    more(changed.count, changed.shown.length),
  ];
  const content = {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    body: [
      text(forTeams(title), { weight: "bolder", size: "medium" }),
      ...lines.flatMap((each) => (each === undefined ? [] : [text(each, { spacing: "small" })])),
      text(forTeams(describeCounts(counts)), { isSubtle: true }),
    ],
    ...(test.url === "" ? {} : { actions: [{ type: "Action.OpenUrl", title: "DefectDojo", url: test.url }] }),
  };
  return {
    type: "message",
    attachments: [{ contentType: "application/vnd.microsoft.card.adaptive", contentUrl: null, content }],
  };
}

/** The plain notice, for custom receivers. */
function json({ fresh, changed, ...notice }: Notice): object {
  return {
    version: 1,
    ...notice,
    new: { count: fresh.count, findings: fresh.shown },
    changed: { count: changed.count, findings: changed.shown },
  };
}

/** One row per value of NOTIFY_FORMAT. */
export const NOTICE_FORMATS = { json, slack, teams } as const satisfies Record<string, (notice: Notice) => object>;

export type NoticeFormat = keyof typeof NOTICE_FORMATS;
