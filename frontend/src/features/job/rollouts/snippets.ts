/** These rollouts, from a program. */
import type { Json } from "@/lib/graphql";
import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";
import { type Filter, filterInput } from "./groups";

const QUERY = `query ($jobId: ID!, $step: Int, $row: Int, $filter: RolloutFilter, $after: Cursor) {
  job(id: $jobId) {
    rolloutGroups(step: $step, datasetRow: $row, filter: $filter, first: 50, after: $after) {
      nodes {
        step datasetRow prompt rewardMean rewardStd outcome
        completions { text reward advantage tokens truncated scoreError messages mediaUrl components { name value weight } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}`;

export function rolloutSnippets(
  jobId: string,
  at: { step: number | null; row: number | null; filter: Filter; pattern: string },
): Snippets {
  const variables: Record<string, Json> = { jobId };
  if (at.step !== null) variables.step = at.step;
  if (at.row !== null) variables.row = at.row;
  const filter = filterInput(at.filter, at.pattern);
  if (filter) variables.filter = filter as unknown as Json;
  const body: Json = { query: QUERY, variables };
  const plain = at.row === null && !filter;
  return {
    curl: curl("POST", "/graphql", body),
    python: pythonCall("POST", "/graphql", body),
    graphql: operation(QUERY, variables),
    // The command has no filters: it gives a step, whole.
    ...(plain ? { cli: `burnish jobs rollouts ${jobId}${at.step === null ? "" : ` --step ${at.step}`} --json` } : {}),
  };
}
