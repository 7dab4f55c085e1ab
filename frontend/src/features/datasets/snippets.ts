/** Datasets from a program: the same calls as this screen makes, by REST, GraphQL and the command line. */
import type { Json } from "@/lib/graphql";
import { curl, operation, pythonCall, type Snippets, shell } from "@/lib/snippets";
import type { SourceInput } from "./connect/sources";

const origin = () => location.origin;

export function uploadSnippets(): Snippets {
  return {
    curl: `curl -s -X POST ${shell(`${origin()}/v1/datasets`)} \\\n  -H "Authorization: Bearer $BURNISH_API_KEY" \\\n  -F name=prompts -F file=@prompts.jsonl`,
    python: [
      "import os, httpx",
      "",
      `burnish = httpx.Client(base_url=${JSON.stringify(origin())}, headers={"Authorization": f"Bearer {os.environ['BURNISH_API_KEY']}"})`,
      'with open("prompts.jsonl", "rb") as rows:',
      '    answer = burnish.post("/v1/datasets", data={"name": "prompts"}, files={"file": rows}, timeout=None)',
      "answer.raise_for_status()",
      "print(answer.json())",
    ].join("\n"),
    graphql: [
      "# 1. a place for the file",
      "mutation CreateUpload { createUpload(input: {}) { errors { message } upload { id url } } }",
      "",
      "# 2. curl -T prompts.jsonl URL",
      "",
      "# 3. a dataset of it",
      "mutation CreateDataset {",
      '  createDataset(input: { name: "prompts", uploadId: "up_…" }) {',
      "    errors { message ... on DatasetRejected { issues { line message } } }",
      "    dataset { id rowCount columns }",
      "  }",
      "}",
    ].join("\n"),
    cli: "burnish datasets check prompts.jsonl\nburnish datasets upload prompts.jsonl",
  };
}

export function datasetSnippets(id: string, baseModel: string, maxPromptLength: number | null): Snippets {
  const query = baseModel
    ? `?base_model=${encodeURIComponent(baseModel)}${maxPromptLength === null ? "" : `&max_prompt_length=${maxPromptLength}`}`
    : "";
  const path = `/v1/datasets/${id}/statistics${query}`;
  const counted = baseModel
    ? `(baseModel: ${JSON.stringify(baseModel)}${maxPromptLength === null ? "" : `, maxPromptLength: ${maxPromptLength}`})`
    : "";
  const tokens = baseModel ? "\n      tokens { mean p50 p95 max overLimit }" : "";
  const flags = baseModel
    ? ` --base-model ${shell(baseModel)}${maxPromptLength === null ? "" : ` --max-prompt-length ${maxPromptLength}`}`
    : "";
  return {
    curl: curl("GET", path),
    python: pythonCall("GET", path),
    graphql: operation(
      `query Dataset($id: ID!) {
  dataset(id: $id) {
    name
    rowCount
    columns
    statistics${counted} {
      duplicatePrompts${tokens}
    }
  }
}`,
      { id },
    ),
    cli: `burnish datasets show ${id} --statistics${flags}`,
  };
}

const MARK = "…";

/** Secrets stay out of what is copied: they belong into a file or the environment. */
function marked(credentials: unknown): Record<string, string> {
  return Object.fromEntries(Object.keys(credentials as Record<string, string>).map((name) => [name, MARK]));
}

export function connectSnippets(input: SourceInput, name: string): Snippets {
  const config = input.huggingfaceConfig;
  const body: Record<string, Json> = { name, source_type: input.sourceType.toLowerCase() };
  if (input.huggingfaceDataset) body.huggingface_dataset = input.huggingfaceDataset;
  if (config)
    body.huggingface_config = {
      split: config.split ?? "train",
      ...(config.configName ? { config_name: config.configName } : {}),
    };
  if (input.sourceUri) body.source_uri = input.sourceUri;
  if (input.dbConnection) body.db_connection = input.dbConnection;
  if (input.dbQuery) body.db_query = input.dbQuery;
  if (input.columnMapping) body.column_mapping = input.columnMapping;
  if (input.credentials) body.credentials = marked(input.credentials);
  const shown = { ...input, name, ...(input.credentials ? { credentials: marked(input.credentials) } : {}) } as Record<
    string,
    Json
  >;
  return {
    curl: curl("POST", "/v1/datasets/connect", body),
    python: pythonCall("POST", "/v1/datasets/connect", body),
    graphql: operation(
      `mutation Connect($input: ConnectDatasetInput!) {
  connectDataset(input: $input) {
    errors { code message path }
    dataset { id }
  }
}`,
      { input: shown },
    ),
    cli: connectCommand(input, name),
  };
}

function connectCommand(input: SourceInput, name: string): string {
  const config = input.huggingfaceConfig;
  const source = input.huggingfaceDataset ? `hf:${input.huggingfaceDataset}` : (input.sourceUri ?? input.dbConnection ?? "");
  const words = [`burnish datasets connect ${shell(source)}`, `--name ${shell(name)}`];
  if (config?.configName) words.push(`--config ${shell(config.configName)}`);
  if (config?.split && config.split !== "train") words.push(`--split ${shell(config.split)}`);
  if (input.dbQuery) words.push(`--query ${shell(input.dbQuery)}`);
  for (const [from, to] of Object.entries((input.columnMapping ?? {}) as Record<string, string>)) {
    words.push(`--map ${shell(`${from}=${to}`)}`);
  }
  if (input.credentials) words.push("--credentials credentials.json");
  return words.join(" \\\n  ");
}
