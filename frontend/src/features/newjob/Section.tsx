import { Check } from "lucide-react";
import type { ReactNode } from "react";
import { cx } from "@/ui/cx";
import type { SectionId } from "./problems";

interface SectionProps {
  id: SectionId;
  number: number;
  title: string;
  /** What this part is for, in a sentence. */
  hint: ReactNode;
  state: "done" | "open" | "wrong";
  actions?: ReactNode;
  children: ReactNode;
}

const MARKS = {
  done: "bg-good-soft text-good",
  open: "bg-idle-soft text-ink-2",
  wrong: "bg-bad-soft text-bad",
};
const SAID = { done: "complete", open: "to be filled in", wrong: "has a problem" };

/** A part of the form, ticked once it is complete. */
export function Section({ id, number, title, hint, state, actions, children }: SectionProps) {
  return (
    <section id={id} aria-labelledby={`${id}-title`} className="scroll-mt-4 rounded-lg border border-line bg-surface shadow-card">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 border-line border-b px-4 py-2.5">
        <span
          aria-hidden
          className={cx("flex size-5 shrink-0 items-center justify-center rounded-full font-semibold text-2xs", MARKS[state])}
        >
          {state === "done" ? <Check className="size-3" /> : number}
        </span>
        <h2 id={`${id}-title`} className="font-semibold text-sm">
          {title}
          <span className="sr-only">, {SAID[state]}</span>
        </h2>
        <p className="min-w-0 flex-1 truncate text-ink-3 text-xs max-sm:hidden">{hint}</p>
        {actions && <div className="ml-auto flex flex-wrap gap-1.5">{actions}</div>}
      </header>
      <div className="flex flex-col gap-4 p-4">{children}</div>
    </section>
  );
}
