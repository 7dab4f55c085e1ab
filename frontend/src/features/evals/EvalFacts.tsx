import { Link } from "@tanstack/react-router";
import { counted, dateTime } from "@/lib/format";
import type { Json } from "@/lib/graphql";
import { Facts, Panel } from "@/ui/Panel";
import type { Eval } from "./documents";
import { scorerDetail, scorerName } from "./figures";

/** `temperature 0.6, n 4`. */
export const paramsText = (params: Json | null | undefined): string =>
  params !== null && typeof params === "object" && !Array.isArray(params) && Object.keys(params).length > 0
    ? Object.entries(params)
        .map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`)
        .join(", ")
    : "as the model has it";

/** What is asked, and how it is scored. */
export function EvalFacts({ eval: one }: { eval: Eval }) {
  return (
    <div className="grid items-start gap-4 lg:grid-cols-2">
      <Panel title="What is asked">
        <Facts
          items={[
            [
              "Dataset",
              <span key="d">
                <Link to="/datasets/$id" params={{ id: one.dataset.id }} className="underline">
                  {one.dataset.name}
                </Link>
                {one.dataset.rowCount !== null && (
                  <span className="text-ink-3"> · {counted(Number(one.dataset.rowCount), "row")}</span>
                )}
              </span>,
            ],
            ["Sampling", paramsText(one.generationParams)],
            ["Created", dateTime(one.createdAt)],
          ]}
        />
      </Panel>
      <Panel title={one.scorers.length === 1 ? "Scorer" : "Scorers"} flush>
        <ul className="divide-y divide-line">
          {one.scorers.map((scorer, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: they have no other identity, and their order stays
            <li key={index} className="flex flex-wrap items-baseline gap-x-3 px-3 py-2 text-sm">
              <span className="font-medium">{scorerName(scorer)}</span>
              <span className="min-w-0 break-words font-mono text-ink-3 text-xs">{scorerDetail(scorer)}</span>
            </li>
          ))}
        </ul>
      </Panel>
    </div>
  );
}
