/** What the dashboard does with evals, from a program. */
import type { Json } from "@/lib/graphql";
import { curl, operation, pythonCall, type Snippets, shell } from "@/lib/snippets";

const both = (method: string, path: string, body?: Json): Pick<Snippets, "curl" | "python"> => ({
  curl: curl(method, path, body),
  python: pythonCall(method, path, body),
});
const ERRORS = "errors { code message path hint }";
const RUN = "id status model progress { answered processed total etaSeconds }";

export const LIST: Snippets = {
  ...both("GET", "/v1/evals"),
  graphql: operation(`query {
  evals(first: 20) {
    nodes { id name scorers dataset { id name } createdAt }
  }
}`),
  cli: "burnish evals list",
};

export function creating(name: string, datasetId: string, scorers: readonly Json[], params: Json | null): Snippets {
  const body = { name, dataset_id: datasetId, scorers: [...scorers], ...(params === null ? {} : { generation_params: params }) };
  const input = { name, datasetId, scorers: [...scorers], ...(params === null ? {} : { generationParams: params }) };
  const cli = [
    `burnish evals create --dataset ${datasetId} --name ${shell(name)}`,
    ...scorers.map((one) => `--scorer ${shell(JSON.stringify(one))}`),
    ...sets(params),
  ].join(" ");
  return {
    ...both("POST", "/v1/evals", body),
    graphql: operation(
      `mutation CreateEval($input: CreateEvalInput!) {
  createEval(input: $input) { eval { id } ${ERRORS} }
}`,
      { input },
    ),
    cli,
  };
}

const sets = (params: Json | null): string[] =>
  Object.entries((params ?? {}) as Record<string, Json>).map(([key, value]) => `--set ${shell(`${key}=${String(value)}`)}`);

export function starting(evalId: string, model: string, rows: number | null, params: Json | null): Snippets {
  const given = params === null ? {} : { generation_params: params };
  const body = { model, ...(rows === null ? {} : { num_samples: rows }), ...given };
  const input = {
    evalId,
    model,
    ...(rows === null ? {} : { numSamples: rows }),
    ...(params === null ? {} : { generationParams: params }),
  };
  return {
    ...both("POST", `/v1/evals/${evalId}/runs`, body),
    graphql: operation(
      `mutation StartEvalRun($input: StartEvalRunInput!) {
  startEvalRun(input: $input) { run { ${RUN} } ${ERRORS} }
}`,
      { input },
    ),
    cli: [
      `burnish evals run ${evalId} ${shell(model)}`,
      ...(rows === null ? [] : [`--rows ${rows}`]),
      ...sets(params),
      "--wait",
    ].join(" "),
  };
}

export const showing = (evalId: string): Snippets => ({
  ...both("GET", `/v1/evals/${evalId}/runs`),
  graphql: operation(
    `query Eval($id: ID!) {
  eval(id: $id) {
    name
    runs(first: 20) { nodes { ${RUN} results { score { mean low high } } } }
  }
}`,
    { id: evalId },
  ),
  cli: `burnish evals runs ${evalId}`,
});

export const showingRun = (evalId: string, runId: string): Snippets => ({
  ...both("GET", `/v1/evals/${evalId}/runs/${runId}`),
  graphql: operation(
    `query Run($id: ID!) {
  evalRun(id: $id) {
    ${RUN}
    results { score { mean low high passAtK { k value } } scorers { name figures { mean low high } } }
  }
}`,
    { id: runId },
  ),
  cli: `burnish evals show ${runId}`,
});

export const items = (evalId: string, runId: string): Snippets => ({
  ...both("GET", `/v1/evals/${evalId}/runs/${runId}/items`),
  graphql: operation(
    `query Items($id: ID!, $after: Cursor) {
  evalItems(runId: $id, first: 50, after: $after) {
    nodes { itemIndex sample input output label score scores { name value error } latencyMs }
    pageInfo { hasNextPage endCursor }
  }
}`,
    { id: runId },
  ),
  cli: `burnish evals items ${runId}`,
});

export const comparing = (a: string, b: string): Snippets => ({
  graphql: operation(
    `query Compare($a: ID!, $b: ID!) {
  compareEvalRuns(a: $a, b: $b) {
    figures { rows better worse same mean low high }
    items(onlyChanged: true, first: 50) { nodes { itemIndex scoreA scoreB difference } }
  }
}`,
    { a, b },
  ),
  cli: `burnish evals compare ${a} ${b}`,
});
