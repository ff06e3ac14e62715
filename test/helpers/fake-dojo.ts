import type { DefectDojo } from "../../lib/ports/defectdojo.ts";

/** A DefectDojo with only the given methods; a call to any other fails the test and names the method. */
export function fakeDojo(methods: Partial<DefectDojo> = {}): DefectDojo {
  const refuse = (name: string) => () => {
    throw new Error(`${name} was not to be called`);
  };
  const none = {
    user: refuse("user"),
    blocksExecution: refuse("blocksExecution"),
    userNamed: refuse("userNamed"),
    productType: refuse("productType"),
    product: refuse("product"),
    forget: refuse("forget"),
    engagement: refuse("engagement"),
    checkParameters: async () => undefined,
    takesField: refuse("takesField"),
    environment: refuse("environment"),
    hasTestType: refuse("hasTestType"),
    testType: refuse("testType"),
    testsByBuildId: refuse("testsByBuildId"),
    livingTest: refuse("livingTest"),
    importRecords: refuse("importRecords"),
    importRecord: refuse("importRecord"),
    isRecorded: refuse("isRecorded"),
    test: refuse("test"),
    importScan: refuse("importScan"),
    placeOfTest: async () => undefined,
    findingCount: refuse("findingCount"),
    countFindings: refuse("countFindings"),
    findingPages: refuse("findingPages"),
    findingsById: refuse("findingsById"),
    findingsThat: refuse("findingsThat"),
    updateTest: refuse("updateTest"),
    deleteTest: refuse("deleteTest"),
    closeFindings: refuse("closeFindings"),
    url: (kind: string, id: number) => `https://dojo.example.com/${kind}/${id}`,
  } satisfies DefectDojo;
  return { ...none, ...methods };
}
