import { type ChartSeries, firstFrom, type Range, size, valueAt } from "./series";

/** More rows than anybody reads: beyond them every n-th step is shown. */
const MOST_ROWS = 200;

interface ChartTableProps {
  title: string;
  series: readonly ChartSeries[];
  range: Range | null;
  unit: string;
  format: (value: number) => string;
  formatStep: (step: number) => string;
  height: number;
}

/** The steps to show, and of how many. */
export function rowsOf(series: readonly ChartSeries[], range: Range | null, most = MOST_ROWS): { steps: number[]; of: number } {
  const all = new Set<number>();
  for (const one of series) {
    for (let index = 0; index < size(one); index += 1) {
      const step = one.steps[index] as number;
      if (!range || (step >= range[0] && step <= range[1])) all.add(step);
    }
  }
  const steps = [...all].sort((a, b) => a - b);
  const every = Math.ceil(steps.length / most);
  return {
    steps: every > 1 ? steps.filter((_, index) => index % every === 0 || index === steps.length - 1) : steps,
    of: steps.length,
  };
}

export function ChartTable({ title, series, range, unit, format, formatStep, height }: ChartTableProps) {
  const { steps, of } = rowsOf(series, range);
  const cell = (one: ChartSeries, step: number): string => {
    const index = firstFrom(one.steps, size(one), step);
    const value = one.steps[index] === step ? valueAt(one.told ?? one.values, index) : null;
    return value === null ? "–" : format(value);
  };
  return (
    <section
      aria-label={`${title}, as a table`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys
      tabIndex={0}
      className="overflow-auto rounded-md border border-line"
      style={{ height }}
    >
      <table className="w-full border-collapse text-xs">
        <caption className="sr-only">{steps.length < of ? `${steps.length} of ${of} steps` : `${of} steps`}</caption>
        <thead className="sticky top-0 bg-surface text-ink-3">
          <tr>
            <th scope="col" className="px-2 py-1 text-left font-medium first-letter:uppercase">
              {unit}
            </th>
            {series.map((one) => (
              <th key={one.key} scope="col" className="px-2 py-1 text-right font-medium">
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {steps.map((step) => (
            <tr key={step} className="border-line border-t">
              <th scope="row" className="px-2 py-0.5 text-left font-normal text-ink-3">
                {formatStep(step)}
              </th>
              {series.map((one) => (
                <td key={one.key} className="px-2 py-0.5 text-right">
                  {cell(one, step)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
