/** The hardware there is to choose from, made of the rates. */

export interface Rate {
  provider: string;
  gpuType: string;
  perHour: { amount: string };
}

export interface HardwareChoice {
  type: string;
  /** The memory of one; null where its name does not tell. */
  vramGb: number | null;
  /** The cheapest of those that offer it, before the markup. */
  pricePerHour: number | null;
  providers: string[];
}

export const vramOf = (type: string): number | null => {
  const found = /-(\d+)GB$/.exec(type);
  return found ? Number(found[1]) : null;
};

/** The kinds by memory; the CPU, which every installation has, is the last. */
export function choicesOf(rates: readonly Rate[]): HardwareChoice[] {
  const found = new Map<string, HardwareChoice>();
  for (const { gpuType: type, provider, perHour } of rates) {
    const price = Number(perHour.amount);
    const one = found.get(type) ?? { type, vramGb: vramOf(type), pricePerHour: null, providers: [] };
    found.set(type, {
      ...one,
      pricePerHour: one.pricePerHour === null ? price : Math.min(one.pricePerHour, price),
      providers: [...one.providers, provider],
    });
  }
  if (!found.has("CPU")) found.set("CPU", { type: "CPU", vramGb: null, pricePerHour: null, providers: ["local"] });
  const size = (one: HardwareChoice) => (one.type === "CPU" ? Number.POSITIVE_INFINITY : (one.vramGb ?? 0));
  return [...found.values()].toSorted((a, b) => size(a) - size(b) || a.type.localeCompare(b.type));
}
