/** What the dashboard does with deployments, from a program. */
import type { Json } from "@/lib/graphql";
import { curl, operation, pythonCall, type Snippets, shell } from "@/lib/snippets";
import type { CreateInput, UpdateInput } from "./actions";
import type { Deployment } from "./queries";
import type { Scaling } from "./scaling";

const hardwareWord = ({ type, count }: { type: string; count?: number | null | undefined }): string =>
  (count ?? 1) > 1 ? `${type}:${count}` : type;

const both = (method: string, path: string, body?: Json): Pick<Snippets, "curl" | "python"> => ({
  curl: curl(method, path, body),
  python: pythonCall(method, path, body),
});

const ERRORS = "errors { code message path hint }";

/** A mutation with an input, of which the deployment is asked for. */
const mutation = (name: string, type: string, input: Record<string, Json>, fields: string): string =>
  operation(
    `mutation ${name.charAt(0).toUpperCase()}${name.slice(1)}($input: ${type}!) {
  ${name}(input: $input) { deployment { ${fields} } ${ERRORS} }
}`,
    { input },
  );

export const LIST: Snippets = {
  ...both("GET", "/v1/deployments"),
  graphql: operation(`query {
  deployments(first: 20) {
    nodes { id name status model version endpointUrl replicas { status } hourlyCost { amount } }
  }
}`),
  cli: "burnish deploy list",
};

/** How REST and the command line call what scales. */
const SCALING: Record<keyof Scaling, { field: string; flag: string }> = {
  minReplicas: { field: "min_replicas", flag: "--min-replicas" },
  maxReplicas: { field: "max_replicas", flag: "--max-replicas" },
  targetRps: { field: "target_rps", flag: "--target-rps" },
  targetLatencyP95Ms: { field: "target_latency_p95_ms", flag: "--target-latency" },
  stabilisationWindowSeconds: { field: "stabilisation_window", flag: "--stabilisation" },
};

type Given = { [Name in keyof Scaling]?: number | null | undefined };

const given = (scaling: Given): [keyof Scaling, number][] =>
  (Object.keys(SCALING) as (keyof Scaling)[]).flatMap((name) => {
    const value = scaling[name];
    return value === undefined || value === null ? [] : [[name, value] as [keyof Scaling, number]];
  });
const scalingBody = (scaling: Given): Record<string, Json> =>
  Object.fromEntries(given(scaling).map(([name, value]) => [SCALING[name].field, value]));
const scalingFlags = (scaling: Given): string[] => given(scaling).map(([name, value]) => `${SCALING[name].flag} ${value}`);

const sourceWord = (source: CreateInput["source"]) => (source === "HUGGINGFACE" ? "huggingface" : "training_job");

/** A token never goes to the clipboard: each language reads it from the environment. */
export function creating(input: CreateInput): Snippets {
  const { model, name, hardware, extraArgs, maxBatchSize, revision, hfToken } = input;
  const body: Record<string, Json> = {
    model,
    source: sourceWord(input.source),
    name,
    gpu: { type: hardware.type, count: hardware.count ?? 1 },
    ...scalingBody(input),
    ...(extraArgs?.length ? { extra_args: extraArgs } : {}),
    ...(maxBatchSize ? { max_batch_size: maxBatchSize } : {}),
    ...(revision ? { revision } : {}),
    ...(hfToken ? { hf_token: "HF_TOKEN" } : {}),
  };
  const { idempotencyKey: _, ...rest } = input;
  const asked = {
    ...rest,
    source: input.source ?? "TRAINING_JOB",
    hardware: { type: hardware.type, count: hardware.count ?? 1 },
    ...(hfToken ? { hfToken: "HF_TOKEN" } : {}),
  } as Record<string, Json>;
  return {
    curl: curl("POST", "/v1/deployments", body).replace('"HF_TOKEN"', `"'"$HF_TOKEN"'"`),
    python: pythonCall("POST", "/v1/deployments", body).replace('"HF_TOKEN"', 'os.environ["HF_TOKEN"]'),
    graphql: mutation("createDeployment", "DeploymentInput", asked, "id status"),
    cli: [
      `burnish deploy create ${shell(model)} -g ${shell(hardwareWord(hardware))} -n ${shell(name)}`,
      ...scalingFlags(input),
      maxBatchSize && `--max-batch-size ${maxBatchSize}`,
      revision && `--revision ${shell(revision)}`,
      hfToken && `-t "$HF_TOKEN"`,
      ...(extraArgs ?? []).map((one) => `--extra-arg=${shell(one)}`),
      "-w",
    ]
      .filter(Boolean)
      .join(" "),
  };
}

/** Looking at one. */
export const looking = (id: string): Snippets => ({
  ...both("GET", `/v1/deployments/${id}`),
  graphql: operation(
    `query Deployment($id: ID!) {
  deployment(id: $id) {
    name status version endpointUrl desiredReplicas hourlyCost { amount } totalCost { amount }
    replicas { id status version failure }
    stats { requestCount latencyMeanMs errorRate }
  }
}`,
    { id },
  ),
  cli: `burnish deploy show ${id}`,
});

export const scaling = (id: string, change: Given): Snippets => ({
  ...both("PATCH", `/v1/deployments/${id}`, scalingBody(change)),
  graphql: mutation(
    "scaleDeployment",
    "ScaleDeploymentInput",
    { id, ...Object.fromEntries(given(change)) },
    "id minReplicas maxReplicas desiredReplicas",
  ),
  cli: [`burnish deploy scale ${id}`, ...scalingFlags(change)].join(" "),
});

export const updating = (id: string, to: Pick<UpdateInput, "model" | "source" | "revision">): Snippets => {
  const revision = to.revision ?? "";
  return {
    ...both("POST", `/v1/deployments/${id}/versions`, {
      model: to.model,
      source: sourceWord(to.source),
      ...(revision ? { revision } : {}),
    }),
    graphql: mutation(
      "updateDeployment",
      "UpdateDeploymentInput",
      { id, model: to.model, source: to.source ?? "TRAINING_JOB", ...(revision ? { revision } : {}) },
      "id version versions { number status }",
    ),
    cli: `burnish deploy update ${id} ${shell(to.model)}${revision ? ` --revision ${shell(revision)}` : ""}`,
  };
};

const simple = (verb: "pause" | "resume" | "stop", id: string): Snippets => ({
  ...both("POST", `/v1/deployments/${id}/${verb}`),
  graphql: mutation(`${verb}Deployment`, "DeploymentActionInput", { id }, "id status"),
  cli: `burnish deploy ${verb} ${id}`,
});
export const pausing = (id: string): Snippets => simple("pause", id);
export const resuming = (id: string): Snippets => simple("resume", id);
export const stopping = (id: string): Snippets => simple("stop", id);

export const replicas = (id: string): Snippets => ({
  graphql: operation(
    `query Replicas($id: ID!) {
  deployment(id: $id) { replicas { id status version engine createdAt readyAt endedAt failure stopReason } }
}`,
    { id },
  ),
  cli: `burnish deploy replicas ${id}`,
});

export const decisions = (id: string): Snippets => ({
  graphql: operation(
    `query Decisions($id: ID!) {
  deployment(id: $id) { decisions(last: 50) { at from to reason rps p95Ms requests byRps byLatency } }
}`,
    { id },
  ),
  cli: `burnish deploy decisions ${id}`,
});

export const deleting = (id: string): Snippets => ({
  ...both("DELETE", `/v1/deployments/${id}`),
  graphql: operation(
    `mutation Delete($id: ID!) {
  deleteDeployment(input: { id: $id }) { deletedId ${ERRORS} }
}`,
    { id },
  ),
  cli: `burnish deploy delete ${id}`,
});

/** What can be copied of one as it stands. */
export function offered(
  one: Pick<Deployment, "id" | "name" | "model" | "source" | "viewerCan" | "pausedAt">,
): [string, () => Snippets][] {
  const { id } = one;
  const can = (action: string) => one.viewerCan.includes(action);
  const source = one.source === "HUGGINGFACE" ? ("HUGGINGFACE" as const) : ("TRAINING_JOB" as const);
  const all: [string, () => Snippets, boolean][] = [
    ["Look at it", () => looking(id), true],
    ["Ask it", () => asking(one), true],
    ["Its replicas", () => replicas(id), true],
    ["Its decisions", () => decisions(id), true],
    ["Scale it", () => scaling(id, { minReplicas: 1, maxReplicas: 2 }), can("scale")],
    ["Update it", () => updating(id, { model: one.model, source }), can("update")],
    ["Pause it", () => pausing(id), can("pause")],
    ["Resume it", () => resuming(id), can("resume")],
    ["Stop it", () => stopping(id), can("stop")],
    ["Delete it", () => deleting(id), can("delete")],
  ];
  return all.filter(([, , isOffered]) => isOffered).map(([label, make]) => [label, make]);
}

const QUESTION = "What is 3 + 4?";

/** Asking it, as the four ways there are. */
export function asking({ name, id }: Pick<Deployment, "name" | "id">): Snippets {
  const body: Json = { model: name, messages: [{ role: "user", content: QUESTION }] };
  return {
    curl: curl("POST", "/v1/chat/completions", body),
    python: `import os
from openai import OpenAI

client = OpenAI(base_url=${JSON.stringify(`${location.origin}/v1`)}, api_key=os.environ["BURNISH_API_KEY"])
stream = client.chat.completions.create(
    model=${JSON.stringify(name)},
    messages=[{"role": "user", "content": ${JSON.stringify(QUESTION)}}],
    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)`,
    graphql: operation(
      `# What it is asked, live (over graphql-transport-ws)
subscription Requests($id: ID!) {
  deploymentRequests(id: $id) {
    ... on RequestBatch { requests { createdAt statusCode latencyMs completionTokens finishReason } }
  }
}`,
      { id },
    ),
    cli: `burnish chat -d ${shell(name)} ${shell(QUESTION)}`,
  };
}
