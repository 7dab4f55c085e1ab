import { curl, operation, pythonCall, type Snippets, shell } from "@/lib/snippets";

const DOCUMENT = `query Metrics($id: ID!, $keys: [String!], $fromStep: Int, $toStep: Int) {
  job(id: $id) {
    metrics(keys: $keys, fromStep: $fromStep, toStep: $toStep, maxPoints: 1000) { key steps values lower upper }
  }
}`;

/** The metrics that are seen, from a program. */
export function metricSnippets(jobId: string, keys: readonly string[], steps: readonly [number, number] | null): Snippets {
  const query = new URLSearchParams({
    keys: keys.join(","),
    ...(steps ? { from_step: `${steps[0]}`, to_step: `${steps[1]}` } : {}),
  });
  // The server reads commas and slashes as they are.
  const path = `/v1/training_jobs/${jobId}/metrics?${decodeURIComponent(query.toString())}`;
  const range = steps ? ` --from-step ${steps[0]} --to-step ${steps[1]}` : "";
  return {
    curl: curl("GET", path),
    python: pythonCall("GET", path),
    graphql: operation(DOCUMENT, { id: jobId, keys: [...keys], ...(steps ? { fromStep: steps[0], toStep: steps[1] } : {}) }),
    cli: `burnish jobs metrics ${jobId} --keys ${shell(keys.join(","))}${range}`,
  };
}
