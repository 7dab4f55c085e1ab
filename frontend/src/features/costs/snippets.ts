/** What each tab of the costs shows, from a program. */
import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";

export type Subject = "spending" | "transactions" | "estimate" | "rates";

export function costSnippets(tab: Subject): Snippets {
  switch (tab) {
    case "spending":
      return {
        curl: curl("GET", "/v1/cost/summary"),
        python: pythonCall("GET", "/v1/cost/summary"),
        graphql: operation(
          "query Costs($from: DateTime!) {\n  costs(range: { from: $from }, groupBy: [KIND, RESOURCE]) {\n    total { cost { amount } }\n    groups { kind resourceId hours cost { amount } }\n  }\n}",
          { from: new Date(Date.now() - 7 * 86_400_000).toISOString() },
        ),
        cli: "burnish cost summary --by job",
      };
    case "transactions":
      return {
        curl: curl("GET", "/v1/billing/transactions"),
        python: pythonCall("GET", "/v1/billing/transactions"),
        graphql: operation("query {\n  transactions(first: 50) {\n    nodes { createdAt description amount { amount } }\n  }\n}"),
        cli: "burnish billing transactions",
      };
    case "estimate":
      return {
        curl: curl("GET", "/v1/cost/compare?gpu_type=H100-80GB"),
        graphql: operation(
          'query {\n  costComparison(type: "H100-80GB", durationMinutes: "60") {\n    hardware { provider } available cost { amount }\n  }\n}',
        ),
        cli: "burnish cost compare --gpu H100-80GB",
      };
    case "rates":
      return {
        graphql: operation("query {\n  rates { provider gpuType perHour { amount } source }\n}"),
        cli: "burnish rates show",
      };
  }
}
