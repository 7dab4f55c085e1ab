/** Money exactly: decimal strings and whole millionths of a dollar, never binary floats. */

const MICROS = 1_000_000n;
const AMOUNT = /^(-?)(\d+)(?:\.(\d{1,6})0*)?$/;

/** Millionths of a dollar; throws for what is no amount. */
export function micros(amount: string): bigint {
  const found = AMOUNT.exec(amount);
  if (!found) throw new Error(`not an amount of money: ${amount}`);
  const [, sign, whole = "0", part = ""] = found;
  const size = BigInt(whole) * MICROS + BigInt(part.padEnd(6, "0"));
  return sign ? -size : size;
}

/** A decimal string of millionths, with two decimals at least. */
export function decimal(amount: bigint): string {
  const size = amount < 0n ? -amount : amount;
  const part = (size % MICROS)
    .toString()
    .padStart(6, "0")
    .replace(/0{1,4}$/, "");
  return `${amount < 0n ? "-" : ""}${size / MICROS}.${part}`;
}

/** `-1234.5` → `−$1,234.50`: every digit that is there. */
export function exactUsd(amount: string | bigint | null | undefined): string {
  if (amount === null || amount === undefined) return "–";
  const text = typeof amount === "bigint" ? decimal(amount) : decimal(micros(amount));
  const [whole = "0", part = "00"] = text.replace("-", "").split(".");
  return `${text.startsWith("-") ? "−" : ""}$${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${part}`;
}

export const sum = (amounts: Iterable<string>): bigint => {
  let total = 0n;
  for (const amount of amounts) total += micros(amount);
  return total;
};

/** A part of a whole as a number from 0 to 1, for bars. */
export function fraction(part: bigint, whole: bigint): number {
  if (whole <= 0n) return part > 0n ? 1 : 0;
  return Number((part * 10_000n) / whole) / 10_000;
}
