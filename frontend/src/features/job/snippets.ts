/** What the pages of jobs do, from a program. */
import type { Json } from "@/lib/graphql";
import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";
import { toml } from "./toml";

interface Shape {
  type: string;
  count: number;
  provider?: string | null;
}

/** What a job was given, which is all that it takes to make it again. */
export interface JobSpec {
  outputName: string;
  method: string;
  baseModel: string;
  hyperparameters: Json;
  hyperparametersDefaulted: readonly string[];
  environments: Json;
  checkpointDestination: {
    type: string;
    uri: string | null;
    repo: string | null;
    private: boolean | null;
    weights: string | null;
    archive: boolean | null;
  };
  requiresHeartbeat: boolean;
  hardwareRequested: Shape;
  maxCost: { amount: string } | null;
  dataset: { id: string };
  rewardFunction: { id: string } | null;
  resumedFrom: { id: string } | null;
}

type Fields = Record<string, Json>;

const withoutNulls = (values: Record<string, Json | undefined>): Fields =>
  Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, Json] => entry[1] !== null && entry[1] !== undefined),
  );

/** The hyperparameters that were given: the others follow the defaults of the day. */
export function given(job: Pick<JobSpec, "hyperparameters" | "hyperparametersDefaulted">): Fields {
  const all = job.hyperparameters;
  if (typeof all !== "object" || all === null || Array.isArray(all)) return {};
  return Object.fromEntries(Object.entries(all).filter(([name]) => !job.hyperparametersDefaulted.includes(name)));
}

function destination(job: JobSpec): Fields | undefined {
  const { type, weights, ...rest } = job.checkpointDestination;
  // The platform's own storage is where it goes anyway, unless other weights were asked for.
  if (type === "VERI" && weights === null) return undefined;
  return withoutNulls({ type: type.toLowerCase(), ...rest, weights: weights?.toLowerCase() });
}

/** As `POST /v1/training_jobs` takes it. */
export function restBody(job: JobSpec): Fields {
  return withoutNulls({
    base_model: job.baseModel,
    method: job.method.toLowerCase(),
    dataset_id: job.dataset.id,
    reward_function_id: job.rewardFunction?.id,
    output_name: job.outputName,
    gpu: { type: job.hardwareRequested.type, count: job.hardwareRequested.count },
    provider: job.hardwareRequested.provider,
    hyperparameters: given(job),
    environments: job.environments,
    max_cost_usd: job.maxCost ? Number(job.maxCost.amount) : undefined,
    checkpoint_destination: destination(job),
    requires_heartbeat: job.requiresHeartbeat || undefined,
    resume_from: job.resumedFrom?.id,
  });
}

/** As `burnish jobs create -f` takes it. */
export const jobFile = (job: JobSpec): string =>
  toml(restBody(job), ["hyperparameters", "checkpoint_destination", "environments"]);

function graphqlInput(job: JobSpec): Fields {
  const { type, ...rest } = job.checkpointDestination;
  return withoutNulls({
    baseModel: job.baseModel,
    method: job.method,
    datasetId: job.dataset.id,
    rewardFunctionId: job.rewardFunction?.id,
    outputName: job.outputName,
    hardware: withoutNulls({
      type: job.hardwareRequested.type,
      count: job.hardwareRequested.count,
      provider: job.hardwareRequested.provider,
    }),
    hyperparameters: given(job),
    environments: job.environments,
    maxCostUsd: job.maxCost?.amount,
    checkpointDestination: type === "VERI" && rest.weights === null ? undefined : withoutNulls({ type, ...rest }),
    requiresHeartbeat: job.requiresHeartbeat || undefined,
    resumeFrom: job.resumedFrom?.id,
  });
}

const both = (method: string, path: string, body?: Json) => ({
  curl: curl(method, path, body),
  python: pythonCall(method, path, body),
});

export const showJob = (id: string): Snippets => ({
  ...both("GET", `/v1/training_jobs/${id}`),
  graphql: operation(
    `query Job($id: ID!) {
  job(id: $id) {
    outputName
    status
    phase
    progress { step totalSteps fraction etaSeconds }
    latestMetrics(keys: ["reward"]) { key value }
    cost { total { amount } }
    error { code message userCodeLine }
  }
}`,
    { id },
  ),
  cli: `burnish jobs show ${id}`,
});

export const followJob = (id: string): Snippets => ({
  curl: curl("GET", `/v1/training_jobs/${id}/logs`).replace("curl -s", "curl -sN"),
  graphql: operation(
    `subscription Events($jobId: ID!, $after: Cursor) {
  jobEvents(jobId: $jobId, after: $after) {
    ... on JobEventBatch { events { at type metadata } cursor }
    ... on Heartbeat { cursor }
    ... on StreamEnd { reason cursor }
  }
}`,
    { jobId: id },
  ),
  cli: `burnish jobs logs -f ${id}`,
});

const ACTION_FIELDS = "errors { code message path hint }";

export const cancelJob = (id: string): Snippets => ({
  ...both("POST", `/v1/training_jobs/${id}/cancel`),
  graphql: operation(
    `mutation Cancel($id: ID!) {
  cancelTrainingJob(input: { id: $id }) { job { id status } ${ACTION_FIELDS} }
}`,
    { id },
  ),
  cli: `burnish jobs cancel ${id}`,
});

export const deleteJob = (id: string): Snippets => ({
  ...both("DELETE", `/v1/training_jobs/${id}`),
  graphql: operation(
    `mutation Delete($id: ID!) {
  deleteTrainingJob(input: { id: $id }) { deletedId ${ACTION_FIELDS} }
}`,
    { id },
  ),
  cli: `burnish jobs delete ${id}`,
});

export const createJob = (job: JobSpec): Snippets => ({
  ...both("POST", "/v1/training_jobs", restBody(job)),
  graphql: operation(
    `mutation Create($input: TrainingJobInput!) {
  createTrainingJob(input: $input) { job { id status } ${ACTION_FIELDS} }
}`,
    { input: graphqlInput(job) },
  ),
  cli: `cat > job.toml <<'EOF'\n${jobFile(job)}EOF\nburnish jobs create -f job.toml --wait`,
});

/** Without a checkpoint named, what resumes goes on from the last one. */
export const resumeJob = (job: JobSpec, checkpointId: string): Snippets =>
  createJob({ ...job, resumedFrom: { id: checkpointId } });

export const listCheckpoints = (id: string): Snippets => ({
  ...both("GET", `/v1/training_jobs/${id}/checkpoints`),
  graphql: operation(
    `query Checkpoints($id: ID!) {
  job(id: $id) { checkpoints { id step final score best sizeBytes downloadUrl files { path sha256 } } }
}`,
    { id },
  ),
  cli: `burnish jobs checkpoint list ${id}`,
});

export const jobCost = (id: string): Snippets => ({
  graphql: operation(
    `query Cost($id: ID!) {
  job(id: $id) { cost { total { amount } } maxCost { amount } }
  transactions(resourceId: $id, first: 100) { nodes { createdAt description amount { amount } } }
}`,
    { id },
  ),
  ...both("GET", `/v1/training_jobs/${id}`),
  cli: "burnish cost --by job",
});

export const listJobs = (filter: { status?: readonly string[] | null; method?: string | null }, input: Fields): Snippets => {
  const query = new URLSearchParams();
  // REST and the command line know one status at a time, and nothing finer.
  const one = filter.status?.length === 1 ? filter.status[0]?.toLowerCase() : undefined;
  if (one) query.set("status", one);
  if (filter.method) query.set("method", filter.method.toLowerCase());
  const path = `/v1/training_jobs${query.size ? `?${query}` : ""}`;
  return {
    ...both("GET", path),
    graphql: operation(
      `query Jobs($filter: JobFilter, $after: Cursor) {
  jobs(first: 50, after: $after, filter: $filter) {
    nodes { id outputName status progress { step totalSteps } latestMetrics(keys: ["reward"]) { value } cost { total { amount } } }
    pageInfo { hasNextPage endCursor }
  }
}`,
      Object.keys(input).length ? { filter: input } : {},
    ),
    cli: `burnish jobs list${one ? ` --status ${one}` : ""}`,
  };
};
