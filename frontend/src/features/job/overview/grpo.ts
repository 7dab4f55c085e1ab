/** What one looks at while a model learns from a reward. */
import { short } from "@/lib/format";
import { componentsOf, HELD_OUT } from "./alarms";
import type { MetricStore } from "./columns";
import { headline, line, palette, percent, type Section, seconds } from "./section";

/** What the scoring of one step in twenty takes longer than, of the last hundred. */
function scoringP95(store: MetricStore): string | null {
  const column = store.get("score_time");
  if (!column || column.length === 0) return null;
  const last = column.values.slice(Math.max(0, column.length - 100), column.length).sort();
  return seconds(last[Math.floor((last.length - 1) * 0.95)] as number);
}

export const GRPO: readonly Section[] = [
  {
    id: "reward",
    title: "Reward",
    about: "Does it learn?",
    rules: ["heldOut"],
    headlines: [headline("now", "reward"), headline("held-out", HELD_OUT)],
    wants: { [HELD_OUT]: "held-out reward (eval_fraction holds no prompts out)" },
    charts: (keys, run) => {
      const color = palette(run);
      const parts = componentsOf([...keys]);
      return [
        {
          id: "reward",
          title: "Reward",
          lines: [line("reward", "training", run), line(HELD_OUT, "held-out", color(0), { dashed: true })],
        },
        {
          id: "components",
          title: "Components, mean ± spread",
          lines: parts.map((name, index) => line(`rewards/${name}/mean`, name, color(index), { spread: `rewards/${name}/std` })),
        },
        {
          id: "group-std",
          title: "Spread within groups",
          floor: 0,
          lines: [
            line("reward_group_std", "reward", run),
            ...(parts.length > 1 ? parts.map((name, index) => line(`rewards/${name}/group_std`, name, color(index))) : []),
          ],
        },
      ];
    },
  },
  {
    id: "signal",
    title: "Signal",
    about: "How many groups teach anything",
    rules: ["dead"],
    headlines: [headline("without signal", "frac_reward_zero_std", percent)],
    wants: {
      frac_reward_all_pass: "all-pass and all-fail groups",
      reward_p50: "quantiles of the reward",
    },
    charts: (keys, run) => [
      {
        id: "outcomes",
        title: "Groups by outcome",
        stack: true,
        floor: 0,
        ceiling: 1,
        linear: true,
        format: percent,
        lines: [
          line("frac_reward_all_fail", "all fail", "--bad"),
          line("mixed", "mixed", "--run-2", {
            from: {
              keys: ["frac_reward_all_fail", "frac_reward_all_pass"],
              work: ([fail = 0, pass = 0]) => Math.max(0, 1 - fail - pass),
            },
          }),
          line("frac_reward_all_pass", "all pass", "--good"),
        ],
      },
      {
        id: "dead",
        title: "Groups without signal",
        floor: 0,
        ceiling: 1,
        linear: true,
        limit: "deadWarn",
        format: percent,
        lines: [line("frac_reward_zero_std", "share", run)],
      },
      keys.has("reward_p50")
        ? {
            id: "quantiles",
            title: "Rewards, median with p10 to p90",
            lines: [line("reward_p50", "median", run, { edges: ["reward_p10", "reward_p90"] })],
          }
        : { id: "reward-std", title: "Spread of all rewards", floor: 0, lines: [line("reward_std", "standard deviation", run)] },
    ],
  },
  {
    id: "stability",
    title: "Stability",
    about: "Does it stay near the base model, and keep exploring?",
    rules: ["numbers", "entropy"],
    headlines: [headline("KL", "kl"), headline("entropy", "entropy"), headline("grad norm", "grad_norm")],
    wants: { kl: "KL (kl_coef is 0, so no reference model is run)" },
    charts: (_keys, run) => {
      const color = palette(run);
      return [
        { id: "kl", title: "KL to the base model", floor: 0, lines: [line("kl", "kl", run)] },
        { id: "entropy", title: "Entropy", floor: 0, limit: "entropyFloor", lines: [line("entropy", "entropy", run)] },
        { id: "grad-norm", title: "Gradient norm", floor: 0, lines: [line("grad_norm", "norm", run)] },
        {
          id: "clip",
          title: "Clipped ratios",
          floor: 0,
          linear: true,
          format: percent,
          lines: [
            line("clip_ratio/region_mean", "all", run),
            line("clip_ratio/low_mean", "low", color(0)),
            line("clip_ratio/high_mean", "high", color(1)),
          ],
        },
      ];
    },
  },
  {
    id: "length",
    title: "Length",
    about: "Tokens a completion has",
    rules: ["truncated"],
    headlines: [headline("mean", "completions/mean_length"), headline("truncated", "completions/clipped_ratio", percent)],
    wants: {},
    charts: (_keys, run) => [
      {
        id: "length",
        title: "Length, mean with least and most",
        floor: 0,
        lines: [
          line("completions/mean_length", "mean", run, { edges: ["completions/min_length", "completions/max_length"] }),
          line("completions/mean_terminated_length", "of those that ended", palette(run)(0), { dashed: true }),
        ],
      },
      {
        id: "truncated",
        title: "Truncated completions",
        floor: 0,
        linear: true,
        limit: "truncated",
        format: percent,
        lines: [line("completions/clipped_ratio", "share", run)],
      },
    ],
  },
  {
    id: "health",
    title: "Reward health",
    about: "Can the reward be trusted?",
    rules: ["missing", "dominance"],
    headlines: [headline("without a reward", "reward_none_fraction", percent), { label: "scoring, p95", value: scoringP95 }],
    wants: {},
    charts: (keys, run, weights) => {
      const color = palette(run);
      const parts = componentsOf([...keys]);
      const factors = parts.map((name) => weights[name] ?? 1);
      const stds = parts.map((name) => `rewards/${name}/std`);
      return [
        {
          id: "missing",
          title: "Completions without a reward",
          floor: 0,
          linear: true,
          limit: "missing",
          format: percent,
          lines: [line("reward_none_fraction", "None", run)],
        },
        ...(parts.length > 1
          ? [
              {
                id: "shares",
                title: "Each component's part of the variance",
                stack: true,
                floor: 0,
                ceiling: 1,
                linear: true,
                format: percent,
                lines: parts.map((name, index) =>
                  keys.has(`rewards/${name}/variance_share`)
                    ? line(`rewards/${name}/variance_share`, name, color(index))
                    : line(`share:${name}`, name, color(index), {
                        from: { keys: stds, work: (values) => share(values, factors, index) },
                      }),
                ),
              },
            ]
          : []),
        {
          id: "scoring",
          title: "Time to score a step",
          floor: 0,
          format: seconds,
          lines: [line("score_time", "scoring", run)],
        },
      ];
    },
  },
  {
    id: "tools",
    title: "Tools",
    about: "How the model acts in its environment",
    rules: [],
    optional: true,
    headlines: [headline("calls", "tools/call_frequency"), headline("failed", "tools/failure_frequency", percent)],
    wants: {},
    charts: (_keys, run) => [
      { id: "calls", title: "Calls in a rollout", floor: 0, lines: [line("tools/call_frequency", "calls", run)] },
      {
        id: "failures",
        title: "Calls that failed",
        floor: 0,
        ceiling: 1,
        linear: true,
        format: percent,
        lines: [line("tools/failure_frequency", "share", run)],
      },
      {
        id: "environment-time",
        title: "Time in the environment",
        floor: 0,
        format: seconds,
        lines: [line("environment_time", "environment", run)],
      },
    ],
  },
  {
    id: "speed",
    title: "Speed",
    about: "Where a step's time goes",
    rules: ["scoring"],
    headlines: [headline("a step", "step_time", seconds)],
    wants: {},
    charts: (keys, run) => [
      {
        id: "times",
        title: "Time of a step",
        stack: true,
        floor: 0,
        linear: true,
        format: seconds,
        lines: [
          line("generate_time", "generate", "--run-2"),
          line("score_time", "score", "--run-5"),
          line("update_time", "update", "--run-3"),
        ],
      },
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
  },
];

function share(stds: readonly number[], factors: readonly number[], index: number): number {
  const part = (at: number) => ((stds[at] as number) * (factors[at] as number)) ** 2;
  const sum = stds.reduce((total, _, at) => total + part(at), 0);
  return sum === 0 ? Number.NaN : part(index) / sum;
}
