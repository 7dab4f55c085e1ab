/** What is typed of how a deployment scales and what its engine is told, until it is sent. */
import { DEFAULTS, type Scaling } from "./scaling";

/** As typed: an empty field is no number. */
export type ScalingDraft = Record<keyof Scaling, string>;

export const draftOf = (scaling: Scaling): ScalingDraft => ({
  minReplicas: String(scaling.minReplicas),
  maxReplicas: String(scaling.maxReplicas),
  targetRps: String(scaling.targetRps),
  targetLatencyP95Ms: String(scaling.targetLatencyP95Ms),
  stabilisationWindowSeconds: String(scaling.stabilisationWindowSeconds),
});

const number = (text: string): number => (text.trim() === "" ? Number.NaN : Number(text));

/** Null where something is no number. */
export function scalingOf(draft: ScalingDraft): Scaling | null {
  const scaling: Scaling = {
    minReplicas: number(draft.minReplicas),
    maxReplicas: number(draft.maxReplicas),
    targetRps: number(draft.targetRps),
    targetLatencyP95Ms: number(draft.targetLatencyP95Ms),
    stabilisationWindowSeconds: number(draft.stabilisationWindowSeconds),
  };
  return Object.values(scaling).some(Number.isNaN) ? null : scaling;
}

/** Only what differs from what is so already: by default from what a deployment begins with. */
export function changed(scaling: Scaling, from: Scaling = DEFAULTS): Partial<Scaling> {
  return Object.fromEntries(
    Object.entries(scaling).filter(([name, value]) => value !== from[name as keyof Scaling]),
  ) as Partial<Scaling>;
}

export interface Advanced {
  extraArgs: string;
  maxBatchSize: string;
  /** These two are of models of Hugging Face. */
  revision: string;
  hfToken: string;
}

export const PLAIN: Advanced = { extraArgs: "", maxBatchSize: "", revision: "", hfToken: "" };

/** Flags as words of a command line, one or several a line; quotes keep spaces together. */
export function flags(text: string): string[] {
  return [...text.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}

export const advancedOf = (advanced: Advanced, ofHuggingFace: boolean) => ({
  ...(flags(advanced.extraArgs).length > 0 ? { extraArgs: flags(advanced.extraArgs) } : {}),
  ...(advanced.maxBatchSize ? { maxBatchSize: Number(advanced.maxBatchSize) } : {}),
  ...(ofHuggingFace && advanced.revision ? { revision: advanced.revision } : {}),
  ...(ofHuggingFace && advanced.hfToken ? { hfToken: advanced.hfToken } : {}),
});
