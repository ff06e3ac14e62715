import { CORE_SCHEMA, defineScalarTag, defineSequenceTag, load } from "js-yaml";

export type Properties = Readonly<Record<string, unknown>>;
interface Resource {
  readonly Type: string;
  readonly Properties: Properties;
}
export interface Template {
  readonly Parameters?: Readonly<Record<string, { readonly Default?: unknown }>>;
  readonly Conditions?: Properties;
  readonly Globals?: { readonly Function: Properties };
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs?: Properties;
}

/** `!Sub x` and the like as `{"Fn::Sub": x}`. */
const long = (tag: string, value: unknown) => {
  const name = tag.slice(1);
  if (name === "Ref" || name === "Condition") return { [name]: value };
  if (name === "GetAtt" && typeof value === "string") return { "Fn::GetAtt": value.split(/\.(.*)/s, 2) };
  return { [`Fn::${name}`]: value };
};
const SCHEMA = CORE_SCHEMA.withTags(
  defineScalarTag("!", {
    matchByTagPrefix: true,
    resolve: (source, _, tag) => long(tag, source),
    identify: () => false,
  }),
  defineSequenceTag<{ tag: string; items: unknown[] }, unknown>("!", {
    matchByTagPrefix: true,
    create: (tag) => ({ tag, items: [] }),
    addItem: ({ items }, item) => void items.push(item),
    finalize: ({ tag, items }) => long(tag, items),
    identify: () => false,
  }),
);

/** A template in YAML, with CloudFormation's short forms written out. */
export function parseTemplate(yaml: string): Template {
  return load(yaml, { schema: SCHEMA }) as Template;
}

/** Names that CloudFormation itself knows, as of a stack that osls deploys by default. */
const PSEUDO: Properties = {
  "AWS::StackName": "dojo-relay-dev",
  "AWS::Region": "eu-central-1",
  "AWS::AccountId": "111122223333",
  "AWS::Partition": "aws",
};
const NO_VALUE = Symbol("AWS::NoValue");

/**
 * The template as CloudFormation would see it after all its functions: resources whose condition is false are gone, a reference to a resource is
 * `<Name>`, to an attribute `<Name.Attribute>`.
 */
export function evaluate(template: Template, given: Properties): Template {
  const defaults = Object.entries(template.Parameters ?? {}).map(([name, { Default }]) => [name, Default]);
  const values: Properties = { ...PSEUDO, ...Object.fromEntries(defaults), ...given };
  const lists = new Set(["SubnetIds", "SecurityGroupIds"]);

  const reference = (name: string): unknown => {
    if (name === "AWS::NoValue") return NO_VALUE;
    if (!(name in values)) return `<${name}>`;
    return lists.has(name) ? String(values[name]).split(",") : values[name];
  };
  const condition = (name: string): boolean => apply(template.Conditions?.[name]) === true;
  const functions: Readonly<Record<string, (value: unknown) => unknown>> = {
    Ref: (name) => reference(String(name)),
    Condition: (name) => condition(String(name)),
    "Fn::GetAtt": (path) => `<${(path as string[]).join(".")}>`,
    "Fn::Sub": (pattern) =>
      String(pattern).replace(/\$\{([^}]+)\}/g, (_, name: string) =>
        String(name in values ? values[name] : `<${name}>`),
      ),
    "Fn::Join": (args) => {
      const [separator, parts] = args as [string, unknown];
      return (apply(parts) as unknown[]).join(separator);
    },
    "Fn::Split": (args) => {
      const [separator, whole] = args as [string, unknown];
      return String(apply(whole)).split(separator);
    },
    "Fn::If": (args) => {
      const [name, yes, no] = args as [string, unknown, unknown];
      return apply(condition(name) ? yes : no);
    },
    "Fn::Equals": (args) => {
      const [left, right] = args as unknown[];
      return apply(left) === apply(right);
    },
    "Fn::Not": (args) => !apply((args as unknown[])[0]),
    "Fn::And": (args) => (args as unknown[]).every((each) => apply(each) === true),
  };
  const apply = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(apply).filter((value) => value !== NO_VALUE);
    if (typeof node !== "object" || node === null) return node;
    const entries = Object.entries(node);
    const [first] = entries;
    const call = entries.length === 1 && first !== undefined ? functions[first[0]] : undefined;
    // A function that is not evaluated would hide what depends on it from every test.
    if (call === undefined && first?.[0].startsWith("Fn::") === true) throw new Error(`${first[0]} is not evaluated`);
    // In a policy, `Condition` holds no name of a condition.
    if (call !== undefined && first !== undefined && (first[0] !== "Condition" || typeof first[1] === "string")) {
      return call(first[1]);
    }
    return Object.fromEntries(
      entries.map(([key, value]) => [key, apply(value)]).filter(([, value]) => value !== NO_VALUE),
    );
  };

  const present = Object.entries(template.Resources).filter(([, resource]) => {
    const { Condition } = resource as unknown as { Condition?: string };
    return Condition === undefined || condition(Condition);
  });
  const Resources = Object.fromEntries(
    present.map(([id, { Type, Properties = {} }]) => [id, { Type, Properties: apply(Properties) as Properties }]),
  );
  return {
    Resources: expandSam(Resources, apply(template.Globals?.Function ?? {}) as Properties),
    Outputs: apply(template.Outputs ?? {}) as Properties,
  };
}

/** SAM's functions as the resources that SAM makes of them, by the names that osls gives those. */
function expandSam(resources: Template["Resources"], globals: Properties): Template["Resources"] {
  const expanded: Record<string, Resource> = {};
  for (const [id, { Type, Properties }] of Object.entries(resources)) {
    if (Type !== "AWS::Serverless::Function") {
      expanded[id] = { Type, Properties };
      continue;
    }
    const { EventInvokeConfig, Events, Environment, CodeUri: _, Tracing, ...own } = { ...globals, ...Properties };
    const variables = [globals.Environment, Environment].map((env) => (env as { Variables: Properties }).Variables);
    expanded[id] = {
      Type: "AWS::Lambda::Function",
      Properties: {
        ...own,
        TracingConfig: { Mode: Tracing },
        Environment: { Variables: Object.assign({}, ...variables) },
      },
    };
    const name = id.replace(/LambdaFunction$/, "");
    if (EventInvokeConfig !== undefined) {
      const { DestinationConfig = {}, ...config } = EventInvokeConfig as Properties;
      const { OnFailure } = DestinationConfig as { OnFailure?: { Destination: string } };
      const Destinations = OnFailure === undefined ? {} : { OnFailure: { Destination: OnFailure.Destination } };
      expanded[`${name}LambdaEvConf`] = {
        Type: "AWS::Lambda::EventInvokeConfig",
        Properties: { ...config, FunctionName: `<${id}>`, Qualifier: "$LATEST", DestinationConfig: Destinations },
      };
    }
    for (const event of Object.values((Events ?? {}) as Readonly<Record<string, Resource>>)) {
      Object.assign(expanded, EVENTS[event.Type]?.(name, `<${id}.Arn>`, event.Properties));
    }
  }
  return expanded;
}

/** One row a type of event: the resources that it becomes. */
const EVENTS: Readonly<Record<string, (name: string, arn: string, event: Properties) => Template["Resources"]>> = {
  SQS: (name, arn, { Queue, ...mapping }) => ({
    [`${name}EventSourceMappingSQSJobQueue`]: {
      Type: "AWS::Lambda::EventSourceMapping",
      Properties: { ...mapping, EventSourceArn: Queue, FunctionName: arn },
    },
  }),
  Schedule: (name, arn, { Schedule, ...rule }) => ({
    [`${name}EventsRuleSchedule1`]: {
      Type: "AWS::Events::Rule",
      Properties: {
        ...rule,
        ScheduleExpression: Schedule,
        Targets: [{ Arn: arn, Id: `${name.toLowerCase()}Schedule` }],
      },
    },
    [`${name}LambdaPermissionEventsRuleSchedule1`]: {
      Type: "AWS::Lambda::Permission",
      Properties: {
        FunctionName: arn,
        Action: "lambda:InvokeFunction",
        Principal: "events.amazonaws.com",
        SourceArn: `<${name}EventsRuleSchedule1.Arn>`,
      },
    },
  }),
};
