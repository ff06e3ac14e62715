import { RelayError } from "../errors.ts";
import type { ImportOptions } from "../model/annotations.ts";
import { uri } from "../model/object-keys.ts";
import { dropUndefined, type Scan } from "../model/scan.ts";
import type { DefectDojo, Engagement, Named, Product } from "../ports/defectdojo.ts";
import type { FlowPorts, FlowSettings } from "../types.ts";
import type { ImportContext, Prepared } from "./attempt.ts";

/** The id of DefectDojo's first product type, "Research and Development": the default, as in the reference hook. */
const DEFAULT_PRODUCT_TYPE = 1;

/** What determines the place of a scan. */
export interface Wanted {
  readonly dojo: DefectDojo;
  readonly scan: Scan;
  readonly options: ImportOptions;
  readonly settings: Pick<FlowSettings, "lowPrivileged" | "userId" | "username">;
  readonly now: Date;
}

/** Finds or creates the objects that an attempt's test belongs to. */
export async function locate({ ports, job, options, settings }: Prepared): Promise<ImportContext> {
  const now = new Date(ports.clock.now());
  const context = await resolveImportContext({ dojo: ports.dojo, scan: job.scan, options, settings, now });
  for (const warning of context.warnings) ports.log.warn(warning, { object: uri(job) });
  return context;
}

/** Finds or creates everything that a test belongs to. */
export async function resolveImportContext({ dojo, scan, options, settings, now }: Wanted): Promise<ImportContext> {
  const { lowPrivileged, userId, username } = settings;
  const findLead = async () => {
    if (userId !== undefined) return { id: userId };
    return username === undefined || lowPrivileged ? await dojo.user() : await dojo.userNamed(username);
  };
  // Before anything is created: DefectDojo refuses an unknown one only in the import, and 2.34 with a server error.
  await dojo.checkParameters(options);
  const environment = options.environment === undefined ? undefined : await dojo.environment(options.environment);
  const [lead, wantedType] = await Promise.all([
    findLead(),
    dojo.productType(options.productTypeName ?? DEFAULT_PRODUCT_TYPE, !lowPrivileged),
  ]);
  const product = await dojo.product({
    name: options.productName,
    description: options.productDescription,
    tags: options.productTags,
    productTypeId: wantedType.id,
    ...dropUndefined({ businessCriticality: options.productBusinessCriticality }),
  });
  const elsewhere = product.productTypeId !== wantedType.id;
  const productType = elsewhere ? await typeOf(dojo, product) : wantedType;
  const today = day(now);
  const dates = engagementDates(options, day(new Date(scan.createdAt ?? now)), today);
  const engagement = await dojo.engagement({
    productId: product.id,
    name: options.engagementName,
    version: options.engagementVersion,
    tags: options.engagementTags,
    branchTag: options.branchTag ?? options.engagementVersion,
    deduplicateOnEngagement: options.deduplicateOnEngagement,
    leadId: lead.id,
    ...dates,
    orchestrated: !lowPrivileged,
    ...dropUndefined({ sourceCodeManagementUri: options.sourceCodeManagementUri }),
  });
  const warnings = [
    elsewhere &&
      `product ${JSON.stringify(product.name)} is in product type ${JSON.stringify(productType.name)} and stays there`,
    closesNothing(options, engagement) &&
      `close-old-findings closes nothing${options.engagementName === scan.name ? OF_ITS_OWN : " yet"}: engagement ${JSON.stringify(engagement.name)} was created for this import`,
  ].filter((warning) => typeof warning === "string");
  return { lead, productType, product, engagement, environment, warnings };
}

/** Where each run has its own engagement, no run ever closes anything. */
const OF_ITS_OWN = " (annotate close-old-findings-product-scope, or give all runs one engagement-name)";

/** Old findings are searched for only in the engagement: one created for this import has none. */
function closesNothing(options: ImportOptions, { isNew }: Engagement): boolean {
  const closes = options.importMode === "import" && options.closeOldFindings;
  return closes && options.closeOldFindingsProductScope !== true && isNew === true;
}

/** From the scan's day to today, or as annotated; DefectDojo refuses an end before the start. yyyy-mm-dd. */
function engagementDates({ engagementEndDate, engagementDays }: ImportOptions, scanned: string, today: string) {
  const start = scanned <= today ? scanned : today;
  const after = day(new Date(Date.parse(start) + (engagementDays ?? 0) * 24 * 60 * 60 * 1000));
  const end = engagementEndDate ?? (engagementDays === undefined ? today : after);
  return { start, end: end < start ? start : end };
}

/** The product's own type; only its id if the token may not see it. */
async function typeOf(dojo: DefectDojo, { productTypeId }: Product): Promise<Named> {
  try {
    return await dojo.productType(productTypeId, false);
  } catch (error) {
    if (error instanceof RelayError && error.reason === "product-type-missing")
      return { id: productTypeId, name: `product type ${productTypeId}` };
    throw error;
  }
}

/** The DefectDojo port with cached ids. */
interface Remembering {
  readonly ports: Pick<FlowPorts, "dojo" | "log">;
}

/** DefectDojo's message for an id that is gone; its message for a name (`Environment named X does not exist.`) is the sidecar's fault. */
const MISSING_ID = /^(?!.*\bnamed ).*(?:does not exist|not one of the available choices)/is;

/**
 * Runs a step, and repeats it with fresh ids if DefectDojo says that a cached object is gone.
 */
export async function withFreshIds<A extends Remembering, T>(step: (attempt: A) => Promise<T>, attempt: A): Promise<T> {
  const { dojo, log } = attempt.ports;
  try {
    return await step(attempt);
  } catch (error) {
    if (!(error instanceof RelayError && (error.reason === "dojo-rejected" || error.reason === "dojo-not-found")))
      throw error;
    if (!MISSING_ID.test(error.message)) throw error;
    log.warn("something was deleted in DefectDojo in the meantime; ids are looked up again", { error });
    dojo.forget();
    return await step(attempt);
  }
}

/** yyyy-mm-dd in UTC */
export function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
