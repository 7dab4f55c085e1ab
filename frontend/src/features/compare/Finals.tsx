import { measure } from "@/lib/format";
import { Panel } from "@/ui/Panel";
import { RunTable } from "./Settings";

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
          const best =
            key === "reward" || key === "eval_reward" ? Math.max(...values.map((one) => one ?? Number.NEGATIVE_INFINITY)) : null;
          return (
            <tr key={key} className="border-line border-b last:border-0">
              <th scope="row" className="h-8 whitespace-nowrap px-3 text-left font-normal text-ink-2">
                {key}
              </th>
              {runs.map((run, index) => {
                const one = values[index] ?? null;
                const highest = runs.length > 1 && one !== null && one === best;
                return (
                  <td key={run.id} className={highest ? "h-8 px-3 text-right font-semibold text-good" : "h-8 px-3 text-right"}>
                    {measure(one)}
                    {highest && <span className="sr-only"> (highest)</span>}
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
