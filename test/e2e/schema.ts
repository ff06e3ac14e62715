import * as z from "zod";

/** Our version of secureCodeBox's findings schema; the original is in ../shared, if present. */
export const syncedFindings = z.array(
  z.looseObject({
    id: z.uuid(),
    name: z.string(),
    severity: z.enum(["INFORMATIONAL", "LOW", "MEDIUM", "HIGH"]),
    category: z.string(),
    parsed_at: z.iso.datetime({ offset: true }),
    location: z.string().optional(),
    description: z.string().optional(),
    references: z.array(z.object({ type: z.string(), value: z.string() })).optional(),
    attributes: z.looseObject({
      "defectdojo.org/finding-id": z.number(),
      "defectdojo.org/finding-url": z.url(),
      "defectdojo.org/test-id": z.number(),
      "defectdojo.org/test-url": z.url(),
      "defectdojo.org/original-finding-id": z.number().nullable(),
      "defectdojo.org/original-finding": z.looseObject({ id: z.uuid() }).nullable(),
      duplicate: z.boolean(),
      falsePositive: z.boolean(),
      riskAccepted: z.boolean(),
      outOfScope: z.boolean(),
    }),
    scan: z.object({
      created_at: z.iso.datetime({ offset: true }),
      name: z.string(),
      namespace: z.string(),
      scan_type: z.string(),
    }),
  }),
);
