import { methodName } from "@/lib/format";
import { cx } from "@/ui/cx";
import { Skeleton } from "@/ui/Empty";
import type { Method } from "./documents";
import { Section } from "./Section";

interface MethodSectionProps {
  number: number;
  method: string;
  methods: readonly Method[] | undefined;
  error: string | undefined;
  onChange: (method: string) => void;
}

/** How it learns: what else there is to fill in follows from it. */
export function MethodSection({ number, method, methods, error, onChange }: MethodSectionProps) {
  return (
    <Section
      id="method"
      number={number}
      title="Method"
      hint="How the model learns: from a reward, from answers, from preferences or from clips."
      state={error ? "wrong" : "done"}
    >
      <fieldset>
        <legend className="sr-only">Method</legend>
        <div className="grid gap-2 sm:grid-cols-2">
          {methods ? (
            methods.map((one) => <Choice key={one.method} one={one} chosen={method} onChange={onChange} />)
          ) : (
            <Skeleton className="h-32 sm:col-span-2" />
          )}
        </div>
      </fieldset>
      {error && (
        <p role="alert" className="text-bad text-xs">
          {error}
        </p>
      )}
    </Section>
  );
}

function Choice({ one, chosen, onChange }: { one: Method; chosen: string; onChange: (method: string) => void }) {
  const name = one.method.toLowerCase();
  return (
    <label
      className={cx(
        "flex gap-2.5 rounded-md border px-3 py-2 text-sm has-focus-visible:outline-2 has-focus-visible:outline-accent",
        chosen === name ? "border-accent bg-selected" : "border-line",
        one.unavailable ? "cursor-not-allowed text-ink-3" : "cursor-pointer hover:border-line-strong",
      )}
    >
      <input
        type="radio"
        name="method"
        className="mt-1 shrink-0 self-start accent-accent"
        checked={chosen === name}
        disabled={one.unavailable !== null && chosen !== name}
        onChange={() => onChange(name)}
      />
      <span>
        <span className="font-medium">{methodName(name)}</span>
        <span className="block text-xs">{one.description}</span>
        {one.unavailable && <span className="block text-warn text-xs">{one.unavailable}</span>}
      </span>
    </label>
  );
}
