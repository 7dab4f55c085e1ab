/** The sections of an overview, by the method of the run. */
import type { MethodName } from "@/lib/methods";
import { isMethod } from "@/lib/methods";
import { GRPO } from "./grpo";
import { type ChartSpec, chartsOf, type Section, type Weights } from "./section";
import { DPO, SFT } from "./text";
import { VIDEO } from "./video";

const OF: Record<MethodName, readonly Section[]> = { GRPO, SFT, DPO, SFT_VIDEO_GEN: VIDEO };

/** Of a method that this page does not know, those of GRPO. What only some runs have is there once they report it. */
export function sectionsOf(method: string, keys: ReadonlySet<string>): readonly Section[] {
  const name = method.toUpperCase();
  const all = OF[isMethod(name) ? name : "GRPO"];
  return all.filter((section) => !section.optional || chartsOf(section, keys, "--run-1", {}).length > 0);
}

/** One chart of a run, by its name. */
export function chartOf(
  method: string,
  keys: ReadonlySet<string>,
  run: string,
  weights: Weights,
  id: string,
): ChartSpec | undefined {
  return sectionsOf(method, keys)
    .flatMap((section) => chartsOf(section, keys, run, weights))
    .find((spec) => spec.id === id);
}
