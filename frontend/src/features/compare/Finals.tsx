import { measure } from "@/lib/format";
import { Panel } from "@/ui/Panel";
import { RunTable } from "./Settings";

/** Of these more is better, and of those less; of the training loss of different methods neither can be said. */
const MORE = new Set(["reward", "eval_reward", "rewards/margins", "rewards/accuracies", "mean_token_accuracy"]);
const LESS = new Set(["eval_loss"]);

interface FinalsProps {
  runs: readonly { id: string; name: string; color: string }[];
  keys: readonly string[];
  value: (id: string, key: string) => number | null;
}

/** The newest value of each metric, run beside run. */
export function Finals({ runs, keys, value }: FinalsProps) {
  return (
    <Panel title="Newest values" flush>
      <RunTable label="Newest values by run" runs={runs} first="Metric">
        {keys.map((key) => {
          const values = runs.map((run) => value(run.id, key));
          const there = values.filter((one) => one !== null);
          const best = MORE.has(key) ? Math.max(...there) : LESS.has(key) ? Math.min(...there) : null;
          return (
            <tr key={key} className="border-line border-b last:border-0">
              <th scope="row" className="h-8 whitespace-nowrap px-3 text-left font-normal text-ink-2">
                {key}
              </th>
              {runs.map((run, index) => {
                const one = values[index] ?? null;
                const isBest = runs.length > 1 && one !== null && one === best;
                return (
                  <td key={run.id} className={isBest ? "h-8 px-3 text-right font-semibold text-good" : "h-8 px-3 text-right"}>
                    {measure(one)}
                    {isBest && <span className="sr-only"> (best)</span>}
                  </td>
                );
              })}
            </tr>
          );
        })}
      </RunTable>
    </Panel>
  );
}
