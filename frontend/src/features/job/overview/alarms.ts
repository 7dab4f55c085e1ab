/** When a run deserves a look: the limits, each a setting of the browser's, and the rules that they feed. */
import { useSyncExternalStore } from "react";
import { measure } from "@/lib/format";
import type { Column } from "./columns";

export type Level = "ok" | "warn" | "bad";
export interface Alarm {
  level: Level;
  text: string;
}

/** What the rules look at: a store of metrics, and how long the run will be. */
export interface Run {
  get: (key: string) => Column | undefined;
  recent: (key: string, count?: number) => number | null;
  keys: readonly string[];
  lastStep: number;
  totalSteps: number | null;
  /** By how much each component counts in the reward; 1 where none is named. */
  weights: Readonly<Record<string, number>>;
}

export const LIMITS = {
  heldOutWarn: { label: "Held-out gap, warn", initial: 0.05, about: "Training reward minus held-out reward." },
  heldOutStop: {
    label: "Held-out gap, advise to stop",
    initial: 0.1,
    about: "Beyond this the model learns the prompts by heart.",
  },
  deadWarn: { label: "Groups without signal, warn", initial: 0.5, about: "Share of groups whose completions all score alike." },
  deadBad: { label: "Groups without signal, alarm", initial: 0.8, about: "Hardly any prompt teaches anything." },
  entropyFloor: { label: "Entropy floor", initial: 0.05, about: "Warns when the trend gets there before the last step." },
  truncated: { label: "Truncated completions", initial: 0.1, about: "Share that hits the length limit." },
  missing: { label: "Completions without a reward", initial: 0.01, about: "Share for which the reward gave an error or None." },
  dominance: { label: "One component's share of the variance", initial: 0.8, about: "The others hardly matter then." },
  overfit: { label: "Held-out loss above its best", initial: 0.05, about: "Share by which it may rise before it warns." },
  accuracyFloor: { label: "Pairs told apart, least", initial: 0.5, about: "At a half the model prefers neither answer." },
  chosenFloor: { label: "Reward of chosen answers, least", initial: -1, about: "Below it they become unlikely themselves." },
  scoring: { label: "Scoring's share of a step", initial: 0.3, about: "The GPU waits while the reward is computed." },
} as const;
export type LimitName = keyof typeof LIMITS;
export type Limits = Record<LimitName, number>;
export const LIMIT_NAMES = Object.keys(LIMITS) as LimitName[];

/** Rules look at the mean of so many steps: one bad step is no alarm. */
export const RECENT = 5;
const TREND = 20;

export const DEFAULTS = Object.fromEntries(LIMIT_NAMES.map((name) => [name, LIMITS[name].initial])) as Limits;

type Rule = (run: Run, limits: Limits) => Alarm | null;
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;
const alarm = (level: Level, text: string): Alarm => ({ level, text });

/** A rule gives null where the run does not report what it looks at. */
export const RULES = {
  heldOut(run, limits) {
    const gap = heldOutGap(run);
    if (gap === null) return null;
    const text = `Held-out reward is ${measure(gap)} below training`;
    if (gap > limits.heldOutStop) return alarm("bad", `${text}: stop, and take an earlier checkpoint`);
    return gap > limits.heldOutWarn ? alarm("warn", text) : alarm("ok", "Held-out reward keeps up");
  },
  dead(run, limits) {
    const share = run.recent("frac_reward_zero_std", RECENT);
    if (share === null) return null;
    const passed = run.recent("frac_reward_all_pass", RECENT);
    const why =
      passed === null
        ? ""
        : passed > share / 2
          ? ", most of them all-pass: the prompts are too easy"
          : ", most of them all-fail: the prompts are too hard";
    const text = `${percent(share)} of groups teach nothing${why}`;
    return alarm(share > limits.deadBad ? "bad" : share > limits.deadWarn ? "warn" : "ok", text);
  },
  numbers(run) {
    const watched = ["grad_norm", "kl", "entropy"].filter((key) => run.get(key));
    if (watched.length === 0) return null;
    // What is no number is not reported: a metric that stopped while others went on has become one.
    const silent = watched.find((key) => run.lastStep - lastStep(run.get(key)) >= 1);
    return silent
      ? alarm("bad", `${silent} is no number since step ${lastStep(run.get(silent)) + 1}`)
      : alarm("ok", "All numbers are finite");
  },
  entropy(run, limits) {
    const column = run.get("entropy");
    const now = run.recent("entropy", RECENT);
    if (!column || now === null) return null;
    if (now <= limits.entropyFloor) return alarm("warn", `Entropy is ${measure(now)}, at its floor: the model hardly explores`);
    const arrival = arrivesAt(column, limits.entropyFloor);
    if (arrival !== null && run.totalSteps !== null && run.lastStep < run.totalSteps && arrival <= run.totalSteps)
      return alarm("warn", `Entropy reaches its floor at about step ${Math.round(arrival)}, before the end`);
    return alarm("ok", `Entropy ${measure(now)}`);
  },
  truncated(run, limits) {
    const share = run.recent("completions/clipped_ratio", RECENT);
    if (share === null) return null;
    return alarm(share > limits.truncated ? "warn" : "ok", `${percent(share)} of completions are cut off`);
  },
  missing(run, limits) {
    const share = run.recent("reward_none_fraction", RECENT);
    if (share === null) return null;
    return alarm(
      share > limits.missing ? "warn" : "ok",
      share === 0 ? "Every completion has a reward" : `${percent(share)} have no reward`,
    );
  },
  dominance(run, limits) {
    const shares = varianceShares(run);
    if (shares.length < 2) return null;
    const [name, share] = shares.reduce((most, one) => (one[1] > most[1] ? one : most));
    const text = `${name} makes ${percent(share)} of the variance`;
    return alarm(share > limits.dominance ? "warn" : "ok", text);
  },
  overfit(run, limits) {
    const column = run.get(HELD_OUT_LOSS);
    if (!column?.length) return null;
    const values = column.values.slice(0, column.length);
    const least = Math.min(...values);
    const last = values[values.length - 1] as number;
    const rise = least > 0 ? last / least - 1 : 0;
    if (rise <= 0) return alarm("ok", "Held-out loss is at its best");
    const since = column.steps[values.indexOf(least)] as number;
    const text = `Held-out loss is ${percent(rise)} above its best, of step ${since}`;
    return rise > limits.overfit ? alarm("warn", `${text}: the rows are learned by heart`) : alarm("ok", text);
  },
  preference(run, limits) {
    const share = run.recent("rewards/accuracies", RECENT);
    if (share === null) return null;
    const text = `The chosen answer wins in ${percent(share)} of pairs`;
    return alarm(share < limits.accuracyFloor ? "warn" : "ok", text);
  },
  sinking(run, limits) {
    const chosen = run.recent("rewards/chosen", RECENT);
    if (chosen === null) return null;
    return chosen < limits.chosenFloor
      ? alarm("warn", `The chosen answers lose too, ${measure(chosen)}: a higher beta or a lower learning_rate holds them`)
      : alarm("ok", "The chosen answers stay likely");
  },
  scoring(run, limits) {
    const score = run.recent("score_time", RECENT);
    const step = run.recent("step_time", RECENT);
    if (score === null || !step) return null;
    return alarm(score / step > limits.scoring ? "warn" : "ok", `Scoring takes ${percent(score / step)} of a step`);
  },
} satisfies Record<string, Rule>;
export type RuleName = keyof typeof RULES;

const lastStep = (column: Column | undefined): number => (column?.length ? (column.steps[column.length - 1] as number) : 0);

export const HELD_OUT = "eval_reward";
export const HELD_OUT_LOSS = "eval_loss";

/** Training reward minus held-out reward, where the latter was last measured. */
export function heldOutGap(run: Pick<Run, "get">): number | null {
  const held = run.get(HELD_OUT);
  const reward = run.get("reward");
  if (!held?.length || !reward?.length) return null;
  const step = lastStep(held);
  const near: number[] = [];
  for (let index = 0; index < reward.length; index += 1)
    if ((reward.steps[index] as number) <= step) near.push(reward.values[index] as number);
  const last = near.slice(-RECENT);
  if (last.length === 0) return null;
  return last.reduce((sum, value) => sum + value, 0) / last.length - (held.values[held.length - 1] as number);
}

export const componentsOf = (keys: readonly string[]): string[] =>
  keys.flatMap((key) => /^rewards\/(.+)\/mean$/.exec(key)?.[1] ?? []);

/** What each component makes of the variance of the reward: as reported, else as if they were independent. */
export function varianceShares({
  keys,
  recent,
  weights,
}: Pick<Run, "keys" | "recent" | "weights">): [name: string, share: number][] {
  const names = componentsOf(keys);
  const told = names.flatMap((name): [string, number][] => {
    const share = recent(`rewards/${name}/variance_share`, RECENT);
    return share === null ? [] : [[name, share]];
  });
  if (told.length === names.length) return told;
  const parts = names.flatMap((name): [string, number][] => {
    const std = recent(`rewards/${name}/std`, RECENT);
    return std === null ? [] : [[name, ((weights[name] ?? 1) * std) ** 2]];
  });
  const sum = parts.reduce((total, [, part]) => total + part, 0);
  return sum === 0 ? [] : parts.map(([name, part]) => [name, part / sum]);
}

/** At which step the straight line through the last points falls to `floor`; null where it does not fall. */
export function arrivesAt({ steps, values, length }: Column, floor: number): number | null {
  const from = Math.max(0, length - TREND);
  const count = length - from;
  if (count < 5) return null;
  let meanX = 0;
  let meanY = 0;
  for (let index = from; index < length; index += 1) {
    meanX += (steps[index] as number) / count;
    meanY += (values[index] as number) / count;
  }
  let slope = 0;
  let spread = 0;
  for (let index = from; index < length; index += 1) {
    slope += ((steps[index] as number) - meanX) * ((values[index] as number) - meanY);
    spread += ((steps[index] as number) - meanX) ** 2;
  }
  slope /= spread;
  if (!(slope < 0)) return null;
  const arrival = meanX + (floor - meanY) / slope;
  return arrival >= (steps[length - 1] as number) ? arrival : null;
}

export const worst = (alarms: readonly Alarm[]): Level =>
  alarms.some((one) => one.level === "bad") ? "bad" : alarms.some((one) => one.level === "warn") ? "warn" : "ok";

const KEY = "burnish.limits";
const listeners = new Set<() => void>();
let known: { raw: string | null; limits: Limits } = { raw: null, limits: DEFAULTS };

/** What is kept, with the defaults for what is not, or is no number. */
export function readLimits(raw: string | null): Limits {
  if (raw === null) return DEFAULTS;
  try {
    const kept = JSON.parse(raw) as Partial<Record<string, unknown>> | null;
    return Object.fromEntries(
      LIMIT_NAMES.map((name) => {
        const value = kept?.[name];
        return [name, typeof value === "number" && Number.isFinite(value) ? value : DEFAULTS[name]];
      }),
    ) as Limits;
  } catch {
    return DEFAULTS;
  }
}

function current(): Limits {
  const raw = localStorage.getItem(KEY);
  if (raw !== known.raw) known = { raw, limits: readLimits(raw) };
  return known.limits;
}

export function setLimits(limits: Limits | null): void {
  if (limits) localStorage.setItem(KEY, JSON.stringify(limits));
  else localStorage.removeItem(KEY);
  for (const listener of listeners) listener();
}

export const useLimits = (): Limits =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, current);
