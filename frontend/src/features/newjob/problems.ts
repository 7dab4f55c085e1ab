/** What keeps a job from being made, by the field it is about. */
import type { PlanError } from "./documents";
import type { Draft } from "./draft";

/** The fields of the form, by the server's paths; longer ones first, so that they win. */
const FIELDS = [
  "hardware.type",
  "hardware.count",
  "hardware.provider",
  "hardware",
  "checkpointDestination.uri",
  "checkpointDestination.repo",
  "checkpointDestination.weights",
  "checkpointDestination",
  "baseModel",
  "datasetId",
  "rewardFunctionId",
  "environments",
  "outputName",
  "method",
  "maxCostUsd",
  "resumeFrom",
  "requiresHeartbeat",
] as const;

export interface Problem {
  message: string;
  hint?: string | null;
  kind: string;
}

export interface Problems {
  fields: Record<string, string>;
  /** About money: what to do is another thing than to correct a field. */
  money: Problem[];
  others: Problem[];
}

const MONEY = new Set(["InsufficientCredit", "BudgetExceeded"]);
/** `max_cost_usd: Input should be …`: the field is said by where the message stands. */
const plain = (message: string): string => {
  const text = message.replace(/^[a-z_]+(\.[a-z_]+)*: /, "");
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** What is still to be filled in is told as a step to take, and not as an error. */
function isEmpty(field: string, draft: Draft): boolean {
  switch (field) {
    case "datasetId":
      return draft.datasetId === "";
    case "rewardFunctionId":
      return draft.rewardId === "";
    case "baseModel":
      return draft.baseModel.trim() === "";
    case "hardware.type":
      return draft.gpuType === "";
    case "outputName":
      return draft.outputName.trim() === "";
    default:
      return false;
  }
}

export function problemsOf(errors: readonly PlanError[], draft: Draft): Problems {
  const found: Problems = { fields: {}, money: [], others: [] };
  for (const { __typename, message, path, hint } of errors) {
    const where = path.filter((part) => part !== "input").join(".");
    const field =
      /^hyperparameters\.[^.]+/.exec(where)?.[0] ?? FIELDS.find((name) => where === name || where.startsWith(`${name}.`));
    if (MONEY.has(__typename)) found.money.push({ message, hint, kind: __typename });
    else if (field === undefined) found.others.push({ message: plain(message), hint, kind: __typename });
    else if (!isEmpty(field, draft)) {
      const text = hint ? `${plain(message)} ${hint}` : plain(message);
      found.fields[field] = found.fields[field] ? `${found.fields[field]} ${text}` : text;
    }
  }
  return found;
}

export interface Step {
  id: SectionId;
  label: string;
}
/** The parts of the form, from top to bottom. */
export const SECTION_IDS = ["method", "data", "reward", "model", "hardware", "output"] as const;
export type SectionId = (typeof SECTION_IDS)[number];

/** What is still to be chosen. */
export function missing(draft: Draft, takesReward: boolean, suggested: string): Step[] {
  const steps: (Step | false)[] = [
    draft.datasetId === "" && { id: "data", label: "Choose a dataset" },
    takesReward &&
      (draft.rewardFrom === "function"
        ? draft.rewardId === "" && { id: "reward", label: "Choose a reward function" }
        : draft.environments.every(({ id }) => id.trim() === "") && { id: "reward", label: "Name an environment" }),
    draft.baseModel.trim() === "" && { id: "model", label: "Choose a base model" },
    draft.gpuType === "" && { id: "hardware", label: "Choose the hardware" },
    draft.outputName.trim() === "" && suggested === "" && { id: "output", label: "Name the trained model" },
  ];
  return steps.filter((step) => step !== false);
}

const SECTION_OF: Record<string, SectionId> = {
  datasetId: "data",
  rewardFunctionId: "reward",
  environments: "reward",
  baseModel: "model",
  method: "method",
  resumeFrom: "model",
  hardware: "hardware",
  outputName: "output",
  maxCostUsd: "hardware",
  checkpointDestination: "output",
  requiresHeartbeat: "output",
};

export const sectionOf = (field: string): SectionId =>
  field.startsWith("hyperparameters.") ? "model" : (SECTION_OF[field.split(".")[0] ?? ""] ?? "output");
