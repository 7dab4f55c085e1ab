/** What this feature does, from a program. */
import type { Json } from "@/lib/graphql";
import { curl, operation, pythonCall, type Snippets, shell } from "@/lib/snippets";
import type { Format } from "./documents";
import type { Draft } from "./playground/draft";
import { inputOf } from "./playground/useRun";

const AUTH = `-H "Authorization: Bearer $BURNISH_API_KEY"`;

export const listSnippets = (): Snippets => ({
  curl: curl("GET", "/v1/reward_functions"),
  python: pythonCall("GET", "/v1/reward_functions"),
  graphql: operation(`query {
  rewardFunctions(first: 20) {
    nodes { id name format createdAt jobs(first: 5) { nodes { id outputName status } } }
    pageInfo { hasNextPage endCursor }
  }
}`),
  cli: "burnish rewards list",
});

interface Stored {
  name: string;
  fileName: string;
  format: Format;
  source: string;
  weights: readonly { name: string; weight: number }[];
}

/** Upload the file again, here or on another platform. */
export function uploadSnippets({ name, fileName, format, source, weights }: Stored): Snippets {
  const call = format.toLowerCase();
  const factors = Object.fromEntries(weights.map((one) => [one.name, one.weight]));
  const some = weights.length > 0;
  return {
    curl: [
      `curl -s -X POST ${shell(`${location.origin}/v1/reward_functions`)}`,
      AUTH,
      `-F ${shell(`name=${name}`)} -F format=${call}`,
      ...(some ? [`-F ${shell(`weights=${JSON.stringify(factors)}`)}`] : []),
      `-F ${shell(`file=@${fileName}`)}`,
    ].join(" \\\n  "),
    python: [
      "import json, os, httpx",
      "",
      `burnish = httpx.Client(base_url=${JSON.stringify(location.origin)}, headers={"Authorization": f"Bearer {os.environ['BURNISH_API_KEY']}"})`,
      `fields = {"name": ${JSON.stringify(name)}, "format": ${JSON.stringify(call)}${some ? `, "weights": json.dumps(${JSON.stringify(factors)})` : ""}}`,
      `with open(${JSON.stringify(fileName)}, "rb") as file:`,
      `    answer = burnish.post("/v1/reward_functions", data=fields, files={"file": (${JSON.stringify(fileName)}, file)}, timeout=120)`,
      "answer.raise_for_status()",
      "print(answer.json())",
    ].join("\n"),
    graphql: operation(
      `mutation ($input: CreateRewardFunctionInput!) {
  createRewardFunction(input: $input) {
    rewardFunction { id }
    errors { code message path ... on RewardFunctionRejected { issues { line message } } }
  }
}`,
      { input: { name, format, fileName, weights: weights.map((one) => ({ ...one })), source } },
    ),
    cli: [
      `burnish rewards upload ${shell(fileName)} --name ${shell(name)} --format ${call}`,
      ...weights.map((one) => `--weight ${shell(`${one.name}=${one.weight}`)}`),
    ].join(" "),
  };
}

const TEST = `mutation ($input: TestRewardInput!) {
  testReward(input: $input) {
    test { rewards stdout durationMs components { name weight values } errors { sample line message } }
    errors { code message path }
  }
}`;

/** The run of the playground: of the stored function where nothing was changed, else of the source. */
export function testSnippets(draft: Draft, stored: boolean): Snippets {
  const input = inputOf(draft);
  const samples = (input.samples ?? []) as unknown as Json[];
  if (!stored) {
    const variables = { input: input as unknown as Json };
    const body: Json = { query: TEST, variables };
    return {
      curl: curl("POST", "/graphql", body),
      python: pythonCall("POST", "/graphql", body),
      graphql: operation(TEST, variables),
    };
  }
  const path = `/v1/reward_functions/${draft.base}/test`;
  const lines = samples.map((one) => JSON.stringify(one)).join("\n");
  return {
    curl: curl("POST", path, { samples }),
    python: pythonCall("POST", path, { samples }),
    graphql: operation(TEST, { input: { id: draft.base, samples } }),
    cli: `cat > samples.jsonl <<'EOF'\n${lines}\nEOF\nburnish rewards test ${draft.base} --samples samples.jsonl`,
  };
}
