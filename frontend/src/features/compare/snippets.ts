import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";

const DOCUMENT = `query Compare($ids: [ID!]!, $keys: [String!]) {
  compareJobs(ids: $ids, keys: $keys) {
    jobs { id outputName status }
    settings(differing: true) { name values }
    metrics(maxPoints: 200) { key steps columns { jobId values final } }
  }
}`;

/** The comparison from a program: one question in GraphQL, one for each run elsewhere. */
export function compareSnippets(ids: readonly string[], keys: readonly string[]): Snippets {
  const wanted = keys.join(",");
  return {
    curl: ids.map((id) => curl("GET", `/v1/training_jobs/${id}/metrics?keys=${wanted}`)).join("\n"),
    python: pythonCall("POST", "/graphql", { query: DOCUMENT, variables: { ids: [...ids], keys: [...keys] } }),
    graphql: operation(DOCUMENT, { ids: [...ids], keys: [...keys] }),
    cli: ids.map((id) => `burnish jobs metrics ${id} --keys ${wanted}`).join("\n"),
  };
}
