/** What one looks at while a text model learns from answers, or from preferences. */
import { short } from "@/lib/format";
import { HELD_OUT_LOSS } from "./alarms";
import { type ChartSpec, headline, line, palette, percent, type Section, seconds } from "./section";

const NOT_HELD_OUT = "held-out rows (eval_fraction holds none out)";

/** A metric of the training and the same of the held-out rows. */
function both(id: string, title: string, key: string, run: string, more: Partial<ChartSpec> = {}): ChartSpec {
  const heldOut = line(`eval_${key}`, "held-out", palette(run)(0), { dashed: true });
  return { id, title, lines: [line(key, "training", run), heldOut], ...more };
}

const SHARE: Partial<ChartSpec> = { floor: 0, ceiling: 1, linear: true, format: percent };
const loss = (run: string): ChartSpec => both("loss", "Loss", "loss", run, { floor: 0 });

export const learningRate = (run: string): ChartSpec => ({
  id: "learning-rate",
  title: "Learning rate",
  floor: 0,
  lines: [line("learning_rate", "learning rate", run)],
});

export const gradNorm = (run: string): ChartSpec => ({
  id: "grad-norm",
  title: "Gradient norm",
  floor: 0,
  lines: [line("grad_norm", "norm", run)],
});

const STABILITY: Section = {
  id: "stability",
  title: "Stability",
  about: "Are its steps of a size?",
  rules: ["numbers"],
  headlines: [headline("grad norm", "grad_norm"), headline("learning rate", "learning_rate")],
  wants: {},
  charts: (_keys, run) => [
    gradNorm(run),
    learningRate(run),
    { id: "entropy", title: "Entropy", floor: 0, lines: [line("entropy", "entropy", run)] },
  ],
};

const SPEED: Section = {
  id: "speed",
  title: "Speed",
  about: "How much it learns from in a second",
  rules: [],
  headlines: [headline("a step", "step_time", seconds)],
  wants: {},
  charts: (keys, run) => [
    { id: "times", title: "Time of a step", floor: 0, format: seconds, lines: [line("step_time", "step", run)] },
    {
      id: "tokens",
      title: "Tokens a second",
      floor: 0,
      format: short,
      lines: [
        keys.has("tokens_per_second")
          ? line("tokens_per_second", "tokens/s", run)
          : line("tokens_per_second", "tokens/s", run, { rate: { count: "num_tokens", time: "step_time" } }),
      ],
    },
  ],
};

export const SFT: readonly Section[] = [
  {
    id: "learning",
    title: "Learning",
    about: "Does it come to answer as the rows do, and as those it never saw?",
    rules: ["overfit"],
    headlines: [
      headline("loss", "loss"),
      headline("held-out", HELD_OUT_LOSS),
      headline("accuracy", "mean_token_accuracy", percent),
    ],
    wants: { [HELD_OUT_LOSS]: NOT_HELD_OUT },
    charts: (_keys, run) => [
      loss(run),
      both("accuracy", "Tokens it would have written itself", "mean_token_accuracy", run, SHARE),
    ],
  },
  STABILITY,
  SPEED,
];

export const DPO: readonly Section[] = [
  {
    id: "learning",
    title: "Preference",
    about: "Does it come to prefer the chosen answers, also where it never saw them?",
    rules: ["preference", "overfit"],
    headlines: [
      headline("margin", "rewards/margins"),
      headline("accuracy", "rewards/accuracies", percent),
      headline("loss", "loss"),
    ],
    wants: { [HELD_OUT_LOSS]: NOT_HELD_OUT },
    charts: (_keys, run) => [
      both("margins", "Margin: reward of chosen minus rejected", "rewards/margins", run),
      both("accuracies", "Pairs in which the chosen answer wins", "rewards/accuracies", run, {
        ...SHARE,
        limit: "accuracyFloor",
      }),
      loss(run),
    ],
  },
  {
    id: "answers",
    title: "Chosen and rejected",
    about: "Does the margin grow because the chosen gain, or because all sink?",
    rules: ["sinking"],
    headlines: [headline("chosen", "rewards/chosen"), headline("rejected", "rewards/rejected")],
    wants: {},
    charts: () => [
      {
        id: "rewards",
        title: "Reward, against the base model",
        limit: "chosenFloor",
        lines: [line("rewards/chosen", "chosen", "--good"), line("rewards/rejected", "rejected", "--bad")],
      },
      {
        id: "eval-rewards",
        title: "The same on held-out rows",
        lines: [line("eval_rewards/chosen", "chosen", "--good"), line("eval_rewards/rejected", "rejected", "--bad")],
      },
      {
        id: "logps",
        title: "Log-probability of the answers",
        lines: [line("logps/chosen", "chosen", "--good"), line("logps/rejected", "rejected", "--bad")],
      },
    ],
  },
  STABILITY,
  SPEED,
];
