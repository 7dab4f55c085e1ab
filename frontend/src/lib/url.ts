/** View state that lives in the URL: `const [view, setView] = useUrlState({ q: text(""), status: list(), step: integer(null) })`. */
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";

export interface Codec<T> {
  initial: T;
  read: (raw: unknown) => T | undefined;
  /** Undefined leaves it out of the URL. */
  write: (value: T) => unknown;
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

function codec<T>(initial: T, read: (raw: unknown) => T | undefined): Codec<T> {
  return { initial, read, write: (value) => (same(value, initial) ? undefined : value) };
}

export const text = (initial = ""): Codec<string> =>
  codec(initial, (raw) =>
    typeof raw === "string" ? raw : typeof raw === "number" || typeof raw === "boolean" ? String(raw) : undefined,
  );

export const flag = (initial = false): Codec<boolean> => codec(initial, (raw) => (typeof raw === "boolean" ? raw : undefined));

export const integer = (initial: number | null = null): Codec<number | null> =>
  codec(initial, (raw) => (typeof raw === "number" && Number.isInteger(raw) ? raw : undefined));

export const decimal = (initial: number | null = null): Codec<number | null> =>
  codec(initial, (raw) => (typeof raw === "number" && Number.isFinite(raw) ? raw : undefined));

export const choice = <const T extends string>(choices: readonly T[], initial: T): Codec<T> =>
  codec(initial, (raw) => choices.find((one) => one === raw));

/** Texts, joined by commas. */
export const list = (initial: readonly string[] = []): Codec<readonly string[]> => ({
  initial,
  read: (raw) => (typeof raw === "string" ? raw.split(",").filter(Boolean) : typeof raw === "number" ? [String(raw)] : undefined),
  write: (value) => (same(value, initial) ? undefined : value.join(",")),
});

type Values<C> = { [Name in keyof C]: C[Name] extends Codec<infer T> ? T : never };
export type SetUrlState<C> = (change: Partial<Values<C>>, options?: { push?: boolean }) => void;

// biome-ignore lint/suspicious/noExplicitAny: a codec is invariant in its value, and any of them may stand here
type Codecs = Record<string, Codec<any>>;

export function readUrl<C extends Codecs>(codecs: C, search: Record<string, unknown>): Values<C> {
  const found: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(codecs)) found[name] = one.read(search[name]) ?? one.initial;
  return found as Values<C>;
}

/** Define `codecs` outside of the component. Changes replace the history entry unless `push` is asked for. */
export function useUrlState<C extends Codecs>(codecs: C): [Values<C>, SetUrlState<C>] {
  const search = useSearch({ strict: false }) as Record<string, unknown>;
  const navigate = useNavigate();
  const values = useMemo(() => readUrl(codecs, search), [codecs, search]);
  const set = useCallback<SetUrlState<C>>(
    (change, options) => {
      const written: Record<string, unknown> = {};
      for (const [name, value] of Object.entries(change)) written[name] = codecs[name]?.write(value as never);
      void navigate({
        to: ".",
        search: ((was: Record<string, unknown>) => ({ ...was, ...written })) as never,
        replace: !options?.push,
        resetScroll: false,
      });
    },
    [codecs, navigate],
  );
  return [values, set];
}
