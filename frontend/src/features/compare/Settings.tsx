import { cx } from "@/ui/cx";
import { Checkbox } from "@/ui/Field";
import { Panel } from "@/ui/Panel";
import { shownSetting } from "./view";

interface SettingsProps {
  runs: readonly { id: string; name: string; color: string }[];
  settings: readonly { name: string; same: boolean; values: readonly unknown[] }[];
  all: boolean;
  onAll: (all: boolean) => void;
}

/** What the runs were given; first of all, what was not the same. */
export function Settings({ runs, settings, all, onAll }: SettingsProps) {
  const shown = settings.filter((one) => all || !one.same);
  return (
    <Panel
      title="Settings"
      flush
      actions={<Checkbox label="Show what is the same, too" checked={all} onChange={(event) => onAll(event.target.checked)} />}
    >
      {shown.length === 0 ? (
        <p className="px-3 py-4 text-ink-3 text-sm">
          {runs.length < 2 ? "One run alone does not differ." : "All runs were given the same."}
        </p>
      ) : (
        <RunTable label="Settings by run" runs={runs} first="Setting">
          {shown.map(({ name, same, values }) => (
            <tr key={name} className="border-line border-b last:border-0">
              <th scope="row" className="h-8 px-3 text-left font-normal text-ink-2">
                {name.replace("hyperparameters.", "")}
              </th>
              {runs.map((run, index) => {
                const text = shownSetting(values[index]);
                return (
                  <td
                    key={run.id}
                    title={text}
                    className={cx("h-8 max-w-48 truncate px-3 text-right tabular-nums", same ? "text-ink-3" : "font-medium")}
                  >
                    {text}
                  </td>
                );
              })}
            </tr>
          ))}
        </RunTable>
      )}
    </Panel>
  );
}

interface RunTableProps {
  label: string;
  runs: readonly { id: string; name: string; color: string }[];
  first: string;
  children: React.ReactNode;
}

/** A table with a column for each run, under its colour. */
export function RunTable({ label, runs, first, children }: RunTableProps) {
  return (
    <section
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys
      tabIndex={0}
      // What only screen readers see is placed within, or it would widen the page.
      className="relative overflow-x-auto"
    >
      <table className="w-full border-collapse text-sm">
        <thead>
          <tr className="border-line border-b text-ink-3 text-xs">
            <th scope="col" className="h-8 whitespace-nowrap px-3 text-left font-medium">
              {first}
            </th>
            {runs.map(({ id, name, color }) => (
              <th key={id} scope="col" className="h-8 whitespace-nowrap px-3 text-right font-medium">
                <span className="inline-flex items-center gap-1.5">
                  <span aria-hidden className="size-2 rounded-full" style={{ background: `var(${color})` }} />
                  {name}
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}
