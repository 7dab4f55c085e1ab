/** What the dashboard does with deployments, from a program. */
import type { Json } from "@/lib/graphql";
import { curl, operation, pythonCall, type Snippets, shell } from "@/lib/snippets";
import { CREATE, type CreateInput } from "./actions";
import type { Deployment } from "./queries";

const hardwareWord = ({ type, count }: { type: string; count?: number | null | undefined }): string =>
  (count ?? 1) > 1 ? `${type}:${count}` : type;

export const LIST: Snippets = {
  curl: curl("GET", "/v1/deployments"),
  python: pythonCall("GET", "/v1/deployments"),
  graphql: operation(`query {
  deployments(first: 20) {
    nodes { id name status model endpointUrl replicas { status } totalCost { amount } }
  }
}`),
  cli: "burnish deploy list",
};

export function creating(input: CreateInput): Snippets {
  const body: Json = {
    model: input.model,
    source: input.source === "HUGGINGFACE" ? "huggingface" : "training_job",
    name: input.name,
    gpu: { type: input.hardware.type, count: input.hardware.count ?? 1 },
  };
  return {
    curl: curl("POST", "/v1/deployments", body),
    python: pythonCall("POST", "/v1/deployments", body),
    graphql: operation(CREATE, {
      input: {
        model: input.model,
        source: input.source ?? "TRAINING_JOB",
        name: input.name,
        hardware: { type: input.hardware.type, count: input.hardware.count ?? 1 },
      },
    }),
    cli: `burnish deploy create ${shell(input.model)} -g ${shell(hardwareWord(input.hardware))} -n ${shell(input.name)} -w`,
  };
}

/** Looking at one, stopping it. */
export const looking = (id: string): Snippets => ({
  curl: curl("GET", `/v1/deployments/${id}`),
  python: pythonCall("GET", `/v1/deployments/${id}`),
  graphql: operation(
    `query Deployment($id: ID!) {
  deployment(id: $id) {
    name status endpointUrl replicas { id status } totalCost { amount }
    stats { requestCount latencyMeanMs errorRate }
  }
}`,
    { id },
  ),
  cli: `burnish deploy show ${id}`,
});

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
