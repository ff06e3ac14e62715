import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Just under what the unit tests cover: what runs in processes of its own (CLI, service) is covered by the other projects.
    coverage: {
      provider: "v8",
      include: ["lib/**/*.ts", "functions/*.ts"],
      reporter: ["text-summary"],
      thresholds: { lines: 93, branches: 89, functions: 92, statements: 92 },
    },
    projects: [
      { extends: true, test: { name: "unit", include: ["test/{unit,hardened}/**/*.test.ts"] } },
      { extends: true, test: { name: "contract", include: ["test/contract/**/*.test.ts"] } },
      { extends: true, test: { name: "e2e", include: ["test/e2e/**/*.test.ts"] } },
      {
        extends: true,
        // Servers and services in processes of their own: their tests mostly wait, so some run at once, but not beside the others.
        test: {
          name: "live",
          include: ["test/live/**/*.test.ts"],
          testTimeout: 600_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      { extends: true, test: { name: "faults", include: ["test/{faults,schedules}/**/*.test.ts"] } },
    ],
  },
});
