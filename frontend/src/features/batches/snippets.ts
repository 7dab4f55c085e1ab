/** What the dashboard does with batches and files, from a program. */
import type { Json } from "@/lib/graphql";
import { curl, operation, pythonCall, type Snippets, shell } from "@/lib/snippets";
import type { Batch } from "./documents";
import { type OutcomeFilter, variablesOf } from "./useOutcomes";

const origin = () => location.origin;
const both = (method: string, path: string, body?: Json): Pick<Snippets, "curl" | "python"> => ({
  curl: curl(method, path, body),
  python: pythonCall(method, path, body),
});
const ERRORS = "errors { code message path hint }";
const BATCH = "id status counts { total completed failed } progress { perSecond etaSeconds }";

export const LIST: Snippets = {
  ...both("GET", "/v1/batches"),
  graphql: operation(`query {
  batches(first: 20) {
    nodes { ${BATCH} model createdAt }
  }
}`),
  cli: "burnish batch list",
};

const curlDownload = (path: string, name: string): string => `${curl("GET", path)} -o ${shell(name)}`;

/** Python that keeps an answer as a file. */
export const pythonDownload = (path: string, name: string): string =>
  [
    "import os, pathlib, httpx",
    "",
    `burnish = httpx.Client(base_url=${JSON.stringify(origin())}, headers={"Authorization": f"Bearer {os.environ['BURNISH_API_KEY']}"})`,
    `answer = burnish.get(${JSON.stringify(path)}, timeout=None)`,
    "answer.raise_for_status()",
    `pathlib.Path(${JSON.stringify(name)}).write_bytes(answer.content)`,
  ].join("\n");

export interface Asked {
  fileName: string;
  /** A file that is there already. */
  fileId: string | null;
  endpoint: Batch["endpoint"];
  url: string;
  window: string;
  metadata: Record<string, string> | null;
}

/** From a file to a batch. */
export function creating({ fileName, fileId, endpoint, url, window, metadata }: Asked): Snippets {
  const body = {
    input_file_id: fileId ?? "file-…",
    endpoint: url,
    completion_window: window,
    ...(metadata ? { metadata } : {}),
  };
  const upload = [
    `curl -s -X POST ${shell(`${origin()}/v1/files`)} \\`,
    `  -H "Authorization: Bearer $BURNISH_API_KEY" \\`,
    `  -F purpose=batch -F ${shell(`file=@${fileName}`)}`,
  ].join("\n");
  const python = [
    "import os",
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${JSON.stringify(`${origin()}/v1`)}, api_key=os.environ["BURNISH_API_KEY"])`,
    ...(fileId ? [] : [`file = client.files.create(file=open(${JSON.stringify(fileName)}, "rb"), purpose="batch")`]),
    "batch = client.batches.create(",
    `    input_file_id=${fileId ? JSON.stringify(fileId) : "file.id"},`,
    `    endpoint=${JSON.stringify(url)},`,
    `    completion_window=${JSON.stringify(window)},`,
    ...(metadata ? [`    metadata=${JSON.stringify(metadata)},`] : []),
    ")",
    "print(batch.id, batch.status)",
  ].join("\n");
  const input: Record<string, Json> = {
    inputFileId: fileId ?? "file-…",
    endpoint,
    completionWindow: window,
    ...(metadata ? { metadata } : {}),
  };
  return {
    curl: fileId ? curl("POST", "/v1/batches", body) : `${upload}\n${curl("POST", "/v1/batches", body)}`,
    python,
    graphql: operation(
      `mutation CreateBatch($input: CreateBatchInput!) {
  createBatch(input: $input) { batch { ${BATCH} } ${ERRORS} }
}`,
      { input },
    ),
    cli: [
      `burnish batch create ${fileId ?? shell(fileName)}`,
      ...(url === "/v1/chat/completions" ? [] : [`--endpoint ${url}`]),
      ...(window === "24h" ? [] : [`--window ${window}`]),
      ...Object.entries(metadata ?? {}).map(([name, text]) => `--metadata ${shell(`${name}=${text}`)}`),
      "-w -y",
    ].join(" "),
  };
}

export const showing = (id: string): Snippets => ({
  ...both("GET", `/v1/batches/${id}`),
  graphql: operation(
    `query Batch($id: ID!) {
  batch(id: $id) {
    ${BATCH}
    usage { promptTokens completionTokens }
    causes { code deploymentId count }
    outputUrl
    errorsUrl
  }
}`,
    { id },
  ),
  cli: `burnish batch show ${id}`,
});

export const following = (id: string): Snippets => ({
  graphql: operation(
    `subscription Progress($id: ID!, $after: Cursor) {
  batchProgress(batchId: $id, after: $after) {
    ... on BatchPoints { points { at completed failed total perSecond etaSeconds } cursor }
    ... on StreamEnd { reason }
  }
}`,
    { id },
  ),
});

export const downloading = (id: string): Snippets => ({
  curl: `${curlDownload(`/v1/batches/${id}/output`, "output.jsonl")}\n${curlDownload(`/v1/batches/${id}/errors`, "errors.jsonl")}`,
  python: pythonDownload(`/v1/batches/${id}/output`, "output.jsonl"),
  graphql: operation(
    `query Files($id: ID!) {
  batch(id: $id) { outputUrl errorsUrl }
}`,
    { id },
  ),
  cli: `burnish batch download ${id} --partial\nburnish batch download ${id} --errors --partial`,
});

const acting = (id: string, verb: "cancel" | "retry"): Snippets => {
  const mutation = `${verb}Batch`;
  return {
    ...both("POST", `/v1/batches/${id}/${verb}`),
    graphql: operation(
      `mutation ${verb === "cancel" ? "Cancel" : "Retry"}($input: BatchActionInput!) {
  ${mutation}(input: $input) { batch { id status } ${ERRORS} }
}`,
      { input: { id } },
    ),
    cli: `burnish batch ${verb} ${id}`,
  };
};
export const cancelling = (id: string): Snippets => acting(id, "cancel");
export const retrying = (id: string): Snippets => acting(id, "retry");

export const outcomes = (id: string, filter: OutcomeFilter): Snippets => {
  const given = Object.fromEntries(Object.entries(variablesOf(filter)).filter(([, value]) => value !== null)) as Record<
    string,
    Json
  >;
  return {
    graphql: operation(
      `query Outcomes($id: ID!, $ok: Boolean, $code: String, $deploymentId: ID, $after: Cursor) {
  batch(id: $id) {
    outcomes(first: 100, ok: $ok, code: $code, deploymentId: $deploymentId, after: $after) {
      nodes { line customId ok statusCode code message promptTokens completionTokens latencyMs }
      pageInfo { hasNextPage endCursor }
    }
  }
}`,
      { id, ...given },
    ),
  };
};

/** What the page of a batch offers to copy. */
export const offered = ({ id, viewerCan }: Pick<Batch, "id" | "viewerCan">): [string, () => Snippets][] => [
  ["Show it", () => showing(id)],
  ["Follow it", () => following(id)],
  ["Download what there is", () => downloading(id)],
  ...(viewerCan.includes("cancel") ? [["Cancel it", () => cancelling(id)] as [string, () => Snippets]] : []),
  ...(viewerCan.includes("retry") ? [["Retry what failed", () => retrying(id)] as [string, () => Snippets]] : []),
];

export const LIST_FILES: Snippets = {
  ...both("GET", "/v1/files"),
  graphql: operation(`query {
  files(first: 20) {
    nodes { id filename purpose sizeBytes createdAt contentUrl }
  }
}`),
  cli: "burnish files list",
};
