/** What one looks at while a video model learns from clips; whether they become better is seen in the samples alone. */
import { measure } from "@/lib/format";
import { headline, line, type Section, seconds } from "./section";
import { gradNorm, learningRate } from "./text";

export const VIDEO: readonly Section[] = [
  {
    id: "learning",
    title: "Learning",
    about: "The loss jumps with the noise that was drawn: smooth it, and trust the clips under Rollouts more",
    rules: ["numbers"],
    headlines: [headline("loss", "loss"), headline("grad norm", "grad_norm"), headline("learning rate", "learning_rate")],
    wants: {},
    charts: (_keys, run) => [
      { id: "loss", title: "Loss", floor: 0, lines: [line("loss", "training", run)] },
      gradNorm(run),
      learningRate(run),
    ],
  },
  {
    id: "speed",
    title: "Speed",
    about: "How long a step takes",
    rules: [],
    headlines: [headline("a step", "step_time", seconds)],
    wants: {},
    charts: (_keys, run) => [
      { id: "times", title: "Time of a step", floor: 0, format: seconds, lines: [line("step_time", "step", run)] },
      {
        id: "pace",
        title: "Steps a second",
        floor: 0,
        format: measure,
        lines: [
          line("steps_per_second", "steps/s", run, {
            from: { keys: ["step_time"], work: ([time = 0]) => (time > 0 ? 1 / time : Number.NaN) },
          }),
        ],
      },
    ],
  },
];
