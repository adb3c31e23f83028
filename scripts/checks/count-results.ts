/** How many passed and failed. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** What is read of vitest's JSON report, which has the shape of jest's. */
interface Report {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/**
 * Counts the tests of a run. A file that failed as a whole (it cannot be loaded, a hook or the leak check failed) counts as one
 * failure more, as does a run that failed though every file passed (an error outside of any test).
 * @param text vitest's JSON report; undefined where it wrote none, which is one failure
 */
export function countResults(text: string | undefined): Count {
  const report = parseReport(text);
  if (!report) return { passed: 0, failed: 1 };
  let passed = 0;
  let failed = 0;
  for (const { status, assertionResults } of report.testResults) {
    const failedHere = assertionResults.filter((result) => result.status === 'failed').length;
    passed += assertionResults.filter((result) => result.status === 'passed').length;
    failed += failedHere === 0 && status === 'failed' ? 1 : failedHere;
  }
  return { passed, failed: failed === 0 && !report.success ? 1 : failed };
}

function parseReport(text: string | undefined): Report | undefined {
  if (text === undefined) return undefined;
  try {
    const report: unknown = JSON.parse(text);
    return typeof report === 'object' && report !== null && 'testResults' in report ? (report as Report) : undefined;
  } catch {
    return undefined;
  }
}
