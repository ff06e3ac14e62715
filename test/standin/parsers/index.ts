import { importError, internalError, Refusal } from "../http.ts";
import { genericParser } from "./generic.ts";
import { nmapParser } from "./nmap.ts";
import type { Parser } from "./report.ts";
import { trivyParser } from "./trivy.ts";
import { zapParser } from "./zap.ts";

const PARSERS: Record<string, Parser> = {
  "Generic Findings Import": genericParser,
  "Nmap Scan": nmapParser,
  "Trivy Scan": trivyParser,
  "ZAP Scan": zapParser,
};

/** The parser of a scan type. What it stumbles over is a bare 500, what it complains about a 400. */
export function parserFor(scanType: string): Parser {
  const parser = PARSERS[scanType];
  if (parser === undefined) throw importError(`The stand-in has no parser for ${scanType}`);
  return {
    ...parser,
    parse: async (file, context) => {
      try {
        return await parser.parse(file, context);
      } catch (error) {
        throw error instanceof Refusal ? error : internalError();
      }
    },
  };
}
