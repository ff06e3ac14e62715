import { randomBytes } from "node:crypto";
import type { Call, Reply } from "./http.ts";
import type {
  Endpoint,
  Engagement,
  Finding,
  FindingGroup,
  Location,
  LocationFinding,
  LocationProduct,
  Product,
  ProductType,
  Test,
  TestImport,
  TestType,
  User,
} from "./model.ts";
import type { Settings } from "./options.ts";
import { initialTestTypes } from "./test-types.ts";

/** Faults that a test can inject into a request; see `State.intercept`. */
export type Interception =
  | Reply
  /** Closes the connection without handling the request or responding. */
  | { hangUp: true }
  /** Handles the request, but the response never arrives. */
  | { processThenHangUp: true }
  /** Delays the handling of the request. */
  | { delayMs: number }
  | ImportFault;

/**
 * The import fails with this status after its report is parsed: before any finding is stored (`parsed`) or after all are (`stored`). Either way its
 * test remains, incomplete, as on the real server: 409 if another import stores the same new URLs, 500 if broker, cache or database fail.
 */
export type ImportFault = { importFails: 409 | 500; once: "parsed" | "stored" };

type SeenRequest = Pick<Call, "method" | "path" | "query"> & {
  url: string;
  contentType: string;
  /** Content-Length, null when chunked. */
  bodyBytes: number | null;
  /** The number of earlier requests with this method and path. */
  earlier: number;
};

export type LoggedRequest = {
  method: string;
  /** Path and query as sent. */
  url: string;
  urlLength: number;
  status: number;
  ms: number;
  at: number;
};

export type State = {
  readonly settings: Settings;
  /** Called before every request; undefined lets it pass. */
  intercept: ((request: SeenRequest) => Interception | undefined) | undefined;
  readonly requests: LoggedRequest[];
  /** The number of requests by method and path: `GET /api/v2/findings/`. */
  readonly counts: Map<string, number>;
  users: User[];
  /** Token to user id. */
  tokens: Map<string, number>;
  productTypes: Map<number, ProductType>;
  products: Map<number, Product>;
  engagements: Map<number, Engagement>;
  testTypes: Map<number, TestType>;
  tests: Map<number, Test>;
  testImports: Map<number, TestImport>;
  findings: Map<number, Finding>;
  findingsByTest: Map<number, Finding[]>;
  locations: Map<number, Location>;
  locationsByValue: Map<string, Location>;
  locationFindings: Map<number, LocationFinding>;
  locationProducts: Map<number, LocationProduct>;
  locationProductsByKey: Map<string, LocationProduct>;
  endpoints: Map<number, Endpoint>;
  endpointsByKey: Map<string, Endpoint>;
  findingGroups: Map<number, FindingGroup>;
  toolTypes: Map<number, Record<string, unknown>>;
  toolConfigurations: Map<number, Record<string, unknown>>;
  cicdInfrastructure: Map<number, Record<string, unknown>>;
  environments: string[];
  systemSettings: Record<string, unknown>;
  /** Tests whose import is still running. */
  importing: Set<number>;
  /** Background work: marking duplicates after an import that does not wait. */
  running: Set<Promise<unknown>>;
  /** The worker that marks duplicates in the background. */
  celery: Celery;
  nextId: (table: keyof typeof FIRST_IDS) => number;
  /** The current time in DefectDojo's format. */
  timestamp: () => string;
  today: () => string;
};

/** Work for a stopped worker waits until the worker is started again. */
export type Celery = { stop: () => void; start: () => void; free: () => Promise<void> };

function celeryWorker(): Celery {
  let stopped: PromiseWithResolvers<void> | undefined;
  return {
    stop: () => {
      stopped ??= Promise.withResolvers();
    },
    start: () => {
      stopped?.resolve();
      stopped = undefined;
    },
    free: () => stopped?.promise ?? Promise.resolve(),
  };
}

/** Offset per table, so that ids of two tables never collide. */
const FIRST_IDS = {
  riskAcceptance: 1,
  productType: 2,
  product: 12,
  engagement: 112,
  test: 1_030,
  testImport: 2_031,
  importAction: 800_001,
  finding: 6_001,
  findingGroup: 41,
  location: 3_000_001,
  locationFinding: 5_000_001,
  locationProduct: 7_000_001,
  endpoint: 9_000_001,
  testType: 280,
  toolType: 8,
  toolConfiguration: 21,
  cicdInfrastructure: 31,
};

export function createState(settings: Settings): State {
  const started = formatTimestamp(settings.now(), 0);
  const ids: Record<string, number> = { ...FIRST_IDS };
  let micros = 0;
  const user = (id: number, username: string, names: [string, string], email: string, admin: boolean): User => ({
    id,
    username,
    first_name: names[0],
    last_name: names[1],
    email,
    date_joined: started,
    is_staff: admin,
    is_superuser: admin,
  });
  return {
    settings,
    intercept: undefined,
    requests: [],
    counts: new Map(),
    users: [
      user(1, "admin", ["A", "B"], "admin@example.com", true),
      user(2, "lowpriv", ["", ""], "l@example.com", false),
    ],
    tokens: new Map([
      [settings.apiKey, 1],
      [settings.lowPrivilegedApiKey, 2],
    ]),
    productTypes: new Map([
      [
        1,
        {
          id: 1,
          created: null,
          updated: settings.profile.roles ? null : started,
          name: "Research and Development",
          description: null,
          critical_product: true,
          key_product: false,
          authorized_users: [2],
        },
      ],
    ]),
    products: new Map(),
    engagements: new Map(),
    testTypes: new Map(initialTestTypes(settings.missingScanTypes).map((t) => [t.id, t])),
    tests: new Map(),
    testImports: new Map(),
    findings: new Map(),
    findingsByTest: new Map(),
    locations: new Map(),
    locationsByValue: new Map(),
    locationFindings: new Map(),
    locationProducts: new Map(),
    locationProductsByKey: new Map(),
    endpoints: new Map(),
    endpointsByKey: new Map(),
    findingGroups: new Map(),
    toolTypes: new Map([
      [1, { id: 1, name: "SonarQube", description: null }],
      [7, { id: 7, name: "Security Test Orchestration Engine", description: "Security Test Orchestration Engine" }],
    ]),
    toolConfigurations: new Map(),
    cicdInfrastructure: new Map(),
    environments: ["Development", "Staging", "Production", "Test", "Pre-prod", "Lab", "Default"],
    systemSettings: {
      enable_deduplication: settings.deduplication,
      jira_webhook_secret: randomBytes(16).toString("hex"),
    },
    importing: new Set(),
    running: new Set(),
    celery: celeryWorker(),
    nextId: (table) => {
      const id = ids[table] ?? 1;
      ids[table] = id + 1;
      return id + settings.idsFrom;
    },
    timestamp: () => {
      micros = (micros + 7) % 1000;
      return formatTimestamp(settings.now(), micros);
    },
    today: () => settings.now().toISOString().slice(0, 10),
  };
}

function formatTimestamp(date: Date, micros: number): string {
  return `${date.toISOString().slice(0, -1)}${String(micros).padStart(3, "0")}Z`;
}

export function findingsOfProduct(state: State, productId: number): Finding[] {
  const findings: Finding[] = [];
  for (const test of state.tests.values()) {
    if (state.engagements.get(test.engagement)?.product !== productId) continue;
    for (const finding of state.findingsByTest.get(test.id) ?? []) findings.push(finding);
  }
  return findings;
}

export function productOfTest(state: State, test: Test): Product | undefined {
  return state.products.get(state.engagements.get(test.engagement)?.product ?? 0);
}
