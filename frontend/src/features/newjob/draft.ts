/** A job as it stands in the form, and the same as the request of REST, of GraphQL and of a job file. */
import type { Json, VariablesOf } from "@/lib/graphql";
import type { CreateTrainingJob, Hyperparameter, JobToClone } from "./documents";
import { toTexts, toValues } from "./params";

export type JobInput = VariablesOf<typeof CreateTrainingJob>["input"];
export type DestinationType = "veri" | "s3" | "hf";
/** Empty: what the server makes of it. */
export type Weights = "" | "merged" | "adapter" | "both";

/** An environment to act in: the splits as they are typed, with commas between them; no variant is the server's own. */
export interface Environment {
  id: string;
  splits: string;
  variant: string;
}

export interface Draft {
  /** As REST and job files write it: `grpo`. */
  method: string;
  datasetId: string;
  rewardId: string;
  /** Where the reward comes from; what was chosen of the other is kept, and not sent. */
  rewardFrom: "function" | "environments";
  environments: readonly Environment[];
  baseModel: string;
  /** Empty: the suggested one. */
  outputName: string;
  gpuType: string;
  gpuCount: number;
  provider: string;
  /** What was typed, by name; what is not here has its default. */
  params: Record<string, string>;
  maxCost: string;
  destination: { type: DestinationType; uri: string; repo: string; private: boolean; weights: Weights; archive: boolean };
  resumeFrom: string;
  heartbeat: boolean;
}

export const EMPTY: Draft = {
  method: "grpo",
  datasetId: "",
  rewardId: "",
  rewardFrom: "function",
  environments: [],
  baseModel: "",
  outputName: "",
  gpuType: "",
  gpuCount: 1,
  provider: "",
  params: {},
  maxCost: "",
  destination: { type: "veri", uri: "", repo: "", private: true, weights: "", archive: false },
  resumeFrom: "",
  heartbeat: false,
};

/** The body of `POST /v1/training_jobs`, which is also what a job file holds. */
export interface Body {
  base_model: string;
  dataset_id: string;
  reward_function_id?: string;
  environments?: Record<string, { splits?: string[]; variant?: string }>;
  output_name: string;
  method?: string;
  gpu: { type: string; count: number };
  provider?: string;
  max_cost_usd?: number | string;
  resume_from?: string;
  requires_heartbeat?: boolean;
  checkpoint_destination?: {
    type: DestinationType;
    uri?: string;
    repo?: string;
    private?: boolean;
    weights?: Exclude<Weights, "">;
    archive?: boolean;
  };
  hyperparameters?: Record<string, Json>;
}

function destinationOf({ destination }: Draft): Body["checkpoint_destination"] {
  const { type, uri, repo, private: isPrivate } = destination;
  const weights = destination.weights ? { weights: destination.weights } : {};
  if (type === "s3") return { type, uri: uri.trim(), ...weights, ...(destination.archive && { archive: true }) };
  if (type === "hf") return { type, repo: repo.trim(), private: isPrivate, ...weights };
  return destination.weights ? { type, ...weights } : undefined;
}

const splitsOf = (typed: string): string[] => typed.split(",").flatMap((one) => one.trim() || []);

/** Without splits named, the server says which. */
function environmentsOf(environments: readonly Environment[]): Body["environments"] {
  const named = environments.flatMap(({ id, splits, variant }) => {
    const given = splitsOf(splits);
    const said = { ...(given.length > 0 && { splits: given }), ...(variant.trim() && { variant: variant.trim() }) };
    return id.trim() ? [[id.trim(), said] as const] : [];
  });
  return named.length > 0 ? Object.fromEntries(named) : undefined;
}

/** What the draft says and no more: every default is left to the server. */
export function toBody(draft: Draft, specs: readonly Hyperparameter[], suggested: string, takesReward = true): Body {
  const hyperparameters = toValues(specs, draft.params);
  const destination = destinationOf(draft);
  const acts = takesReward && draft.rewardFrom === "environments";
  const environments = acts ? environmentsOf(draft.environments) : undefined;
  return {
    base_model: draft.baseModel.trim(),
    dataset_id: draft.datasetId,
    ...(takesReward && !acts && draft.rewardId && { reward_function_id: draft.rewardId }),
    ...(environments && { environments }),
    output_name: draft.outputName.trim() || suggested,
    ...(draft.method !== EMPTY.method && { method: draft.method }),
    gpu: { type: draft.gpuType, count: draft.gpuCount },
    ...(draft.provider && { provider: draft.provider }),
    ...(draft.maxCost.trim() && {
      max_cost_usd: Number.isFinite(Number(draft.maxCost)) ? Number(draft.maxCost) : draft.maxCost.trim(),
    }),
    ...(draft.resumeFrom.trim() && { resume_from: draft.resumeFrom.trim() }),
    ...(draft.heartbeat && { requires_heartbeat: true }),
    ...(destination && { checkpoint_destination: destination }),
    ...(Object.keys(hyperparameters).length > 0 && { hyperparameters }),
  };
}

type DestinationInput = NonNullable<JobInput["checkpointDestination"]>;

function destinationInput({ type, weights, ...rest }: NonNullable<Body["checkpoint_destination"]>): DestinationInput {
  return {
    ...rest,
    type: type.toUpperCase() as DestinationInput["type"],
    ...(weights && { weights: weights.toUpperCase() as NonNullable<DestinationInput["weights"]> }),
  };
}

/** The same for GraphQL. */
export function toInput(body: Body): JobInput {
  const to = body.checkpoint_destination;
  return {
    baseModel: body.base_model,
    datasetId: body.dataset_id,
    outputName: body.output_name,
    hardware: { ...body.gpu, ...(body.provider && { provider: body.provider }) },
    ...(body.reward_function_id && { rewardFunctionId: body.reward_function_id }),
    ...(body.method && { method: body.method.toUpperCase() as NonNullable<JobInput["method"]> }),
    ...(body.hyperparameters && { hyperparameters: body.hyperparameters }),
    ...(body.max_cost_usd !== undefined && { maxCostUsd: String(body.max_cost_usd) }),
    ...(body.resume_from && { resumeFrom: body.resume_from }),
    ...(body.requires_heartbeat && { requiresHeartbeat: true }),
    ...(body.environments && { environments: body.environments }),
    ...(to && { checkpointDestination: destinationInput(to) }),
  };
}

export class NoJob extends Error {}

const isRecord = (value: unknown): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isTexts = (value: Json): value is string[] => Array.isArray(value) && value.every((one) => typeof one === "string");
const text = (value: unknown): string => (typeof value === "string" ? value : typeof value === "number" ? String(value) : "");

const KNOWN = new Set([
  ...["base_model", "dataset_id", "dataset", "reward_function_id", "reward", "output_name", "method", "gpu", "provider"],
  ...["max_cost_usd", "resume_from", "requires_heartbeat", "checkpoint_destination", "hyperparameters", "environments"],
]);

function hardwareOf(gpu: unknown): { gpuType: string; gpuCount: number } {
  if (isRecord(gpu)) return { gpuType: text(gpu.type), gpuCount: typeof gpu.count === "number" ? gpu.count : 1 };
  const [type = "", count] = text(gpu).split(":");
  return { gpuType: type, gpuCount: count && Number.isInteger(Number(count)) ? Number(count) : 1 };
}

/** An id, under the names that a request or a job file has for it; a file's name says nothing here. */
const idOf = (prefix: string, ...values: unknown[]): string => values.map(text).find((value) => value.startsWith(prefix)) ?? "";

/** The environments of a request, a job file or a job, as they are typed. */
function typed(value: unknown): Environment[] {
  if (value === null || value === undefined) return [];
  if (!isRecord(value)) throw new NoJob("environments is an object of environments by their ids.");
  return Object.entries(value).map(([id, given]) => {
    const one = given ?? {};
    if (!isRecord(one)) throw new NoJob(`environments.${id} is an object of splits and variant.`);
    const { splits = null, variant = null, ...others } = one;
    const strange = Object.keys(others);
    if (strange.length > 0) throw new NoJob(`An environment has no ${strange.join(", ")}.`);
    if (splits !== null && !isTexts(splits)) throw new NoJob(`environments.${id}.splits is a list of texts.`);
    if (variant !== null && typeof variant !== "string") throw new NoJob(`environments.${id}.variant is a text.`);
    return { id, splits: (splits ?? []).join(", "), variant: variant ?? "" };
  });
}

const WEIGHTS: readonly string[] = ["merged", "adapter", "both"] satisfies Weights[];
function weightsOf(value: unknown): Weights {
  const word = text(value).toLowerCase();
  return WEIGHTS.includes(word) ? (word as Weights) : "";
}

/** The draft of a request or a job file; NoJob where it is none. */
export function fromBody(value: unknown, specs: readonly Hyperparameter[]): Draft {
  if (!isRecord(value)) throw new NoJob("A job is an object.");
  const strange = Object.keys(value).filter((key) => !KNOWN.has(key));
  if (strange.length > 0) throw new NoJob(`A job has no ${strange.join(", ")}.`);
  const given = value.hyperparameters ?? {};
  if (!isRecord(given)) throw new NoJob("hyperparameters is an object.");
  const to = isRecord(value.checkpoint_destination) ? value.checkpoint_destination : {};
  const environments = typed(value.environments);
  return {
    method: text(value.method) || EMPTY.method,
    datasetId: idOf("ds_", value.dataset_id, value.dataset),
    rewardId: idOf("rf_", value.reward_function_id, value.reward),
    rewardFrom: environments.length > 0 ? "environments" : "function",
    environments,
    baseModel: text(value.base_model),
    outputName: text(value.output_name),
    ...hardwareOf(value.gpu),
    provider: text(value.provider),
    params: toTexts(specs, given),
    maxCost: text(value.max_cost_usd),
    destination: {
      type: to.type === "s3" || to.type === "hf" ? to.type : "veri",
      uri: text(to.uri),
      repo: text(to.repo),
      private: to.private !== false,
      weights: weightsOf(to.weights),
      archive: to.archive === true,
    },
    resumeFrom: text(value.resume_from),
    heartbeat: value.requires_heartbeat === true,
  };
}

/** What a finished, or any other, job was told. */
export function fromJob(job: JobToClone, specs: readonly Hyperparameter[]): Draft {
  const values = job.hyperparameters as Record<string, Json>;
  const given = Object.fromEntries(Object.entries(values).filter(([name]) => !job.hyperparametersDefaulted.includes(name)));
  const { type, uri, repo, private: isPrivate, weights, archive } = job.checkpointDestination;
  const environments = typed(job.environments);
  return {
    ...EMPTY,
    method: job.method.toLowerCase(),
    datasetId: job.dataset.id,
    rewardId: job.rewardFunction?.id ?? "",
    rewardFrom: environments.length > 0 ? "environments" : "function",
    environments,
    baseModel: job.baseModel,
    outputName: nextName(job.outputName),
    gpuType: job.hardwareRequested.type,
    gpuCount: job.hardwareRequested.count,
    provider: job.hardwareRequested.provider ?? "",
    params: toTexts(specs, given),
    maxCost: job.maxCost ? String(Number(job.maxCost.amount)) : "",
    destination: {
      type: type.toLowerCase() as DestinationType,
      uri: uri ?? "",
      repo: repo ?? "",
      private: isPrivate ?? true,
      weights: weightsOf(weights),
      archive: archive === true,
    },
    heartbeat: job.requiresHeartbeat,
  };
}

const MAX_NAME = 128;

/** `adder` → `adder-2` → `adder-3`. */
export function nextName(name: string): string {
  const found = /^(.*)-(\d{1,4})$/.exec(name);
  const made = found ? `${found[1]}-${Number(found[2]) + 1}` : `${name}-2`;
  return made.length > MAX_NAME ? name : made;
}

/** A name of the model and of what it learns on. */
export function suggestName(baseModel: string, datasetName: string): string {
  const part = (name: string) =>
    name
      .replace(/^.*\//, "")
      .replace(/[^A-Za-z0-9._-]+/g, "-")
      .replace(/^[^A-Za-z0-9]+|-+$/g, "");
  return [part(baseModel), part(datasetName)].filter(Boolean).join("-").slice(0, MAX_NAME);
}

export const isName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name);
