/** Numbers beside an axis: short, and as exact as the distance between the lines asks for. */
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 4 });

export function axisNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 10_000) return compact.format(value);
  if (size !== 0 && size < 1e-3)
    return value.toExponential(0 + Number(!Number.isInteger(value / 10 ** Math.floor(Math.log10(size)))));
  // Sums of tenths are not quite tenths.
  return grouped.format(Number(value.toPrecision(6)));
}
