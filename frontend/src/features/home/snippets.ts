import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";

/** What runs now, from a program. */
export const homeSnippets = (): Snippets => ({
  curl: curl("GET", "/v1/training_jobs"),
  python: pythonCall("GET", "/v1/training_jobs"),
  graphql: operation(
    `query { burnRate { hourly { amount } hoursRemaining } jobs(filter: { status: [RUNNING] }) { nodes { id outputName progress { step totalSteps } } } }`,
  ),
  cli: "burnish jobs list\nburnish billing burn-rate",
});
