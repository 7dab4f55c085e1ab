import { count } from "@/lib/format";
import type { Json } from "@/lib/graphql";
import { ErrorNote, Note } from "@/ui/Empty";
import type { Validation } from "../documents";

const SHOWN_ROWS = 20;
const shown = (value: Json | undefined): string =>
  value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);

/** What a look into a source found: its first rows, and what is wrong with them. */
export function Look({ found }: { found: Validation }) {
  return (
    <section aria-label="What was found" className="flex min-w-0 flex-col gap-2">
      {found.valid ? (
        <Note mood="good">
          The first rows make a dataset{found.rowCount === null ? "" : `; the source says it has ${count(found.rowCount)}`}.
        </Note>
      ) : (
        <ErrorNote>
          <ul className="list-inside list-disc">
            {found.problems.map((problem) => (
              <li key={`${problem.line}:${problem.message}`}>
                {problem.line !== null && `row ${problem.line}: `}
                {problem.message}
              </li>
            ))}
          </ul>
        </ErrorNote>
      )}
      {found.sample.length > 0 && <Sample columns={found.mappedColumns} rows={found.sample.slice(0, SHOWN_ROWS)} />}
    </section>
  );
}

function Sample({ columns, rows }: { columns: readonly string[]; rows: readonly Json[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div role="region" aria-label="First rows" tabIndex={0} className="max-h-64 overflow-auto rounded-md border border-line">
      <table className="w-full border-collapse text-xs">
        <thead className="sticky top-0 bg-sunken">
          <tr className="text-left text-ink-3">
            {columns.map((name) => (
              <th key={name} scope="col" className="h-7 whitespace-nowrap px-2 font-medium">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows have nothing else to be known by
            <tr key={index} className="border-line border-t">
              {columns.map((name) => (
                <td key={name} className="max-w-80 truncate px-2 py-1 align-top">
                  {shown(row && typeof row === "object" && !Array.isArray(row) ? row[name] : undefined)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
