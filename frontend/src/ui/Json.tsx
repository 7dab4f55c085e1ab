import { ChevronRight } from "lucide-react";
import { useState } from "react";
import type { Json as Value } from "@/lib/graphql";
import { CopyButton } from "./Copy";
import { cx } from "./cx";

/** Deeper than this begins folded. */
const OPEN_DEPTH = 2;
/** A list or object of more is folded at first: it would push everything else away. */
const OPEN_ITEMS = 40;

const INK = { string: "text-good", number: "text-live", boolean: "text-accent", null: "text-ink-3" } as const;

function Plain({ value }: { value: string | number | boolean | null }) {
  const kind = value === null ? "null" : (typeof value as "string" | "number" | "boolean");
  return <span className={cx("break-all", INK[kind])}>{JSON.stringify(value)}</span>;
}

function Node({ name, value, depth, last }: { name?: string | undefined; value: Value; depth: number; last: boolean }) {
  const isList = Array.isArray(value);
  const items: [string | undefined, Value][] =
    typeof value !== "object" || value === null ? [] : isList ? value.map((one) => [undefined, one]) : Object.entries(value);
  const [open, setOpen] = useState(depth < OPEN_DEPTH && items.length <= OPEN_ITEMS);
  const label = name !== undefined && <span className="whitespace-pre text-ink-2">{JSON.stringify(name)}: </span>;
  const comma = last ? "" : ",";
  if (typeof value !== "object" || value === null || items.length === 0) {
    return (
      <div className="pl-4">
        {label}
        {typeof value !== "object" || value === null ? <Plain value={value} /> : isList ? "[]" : "{}"}
        {comma}
      </div>
    );
  }
  const [begin, end] = isList ? ["[", "]"] : ["{", "}"];
  return (
    <div>
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex h-5 items-center rounded-sm text-left hover:bg-hover"
      >
        <ChevronRight aria-hidden className={cx("size-4 shrink-0 p-0.5 text-ink-3", open && "rotate-90")} />
        {label}
        {open ? begin : `${begin} ${items.length} ${isList ? "items" : "fields"} ${end}${comma}`}
      </button>
      {open && (
        <>
          <div className="pl-4">
            {items.map(([key, one], index) => (
              <Node key={key ?? index} name={key} value={one} depth={depth + 1} last={index === items.length - 1} />
            ))}
          </div>
          <div className="pl-4">
            {end}
            {comma}
          </div>
        </>
      )}
    </div>
  );
}

/** A JSON value that folds, with a button to copy all of it. */
export function Json({ value, label, className }: { value: Value; label: string; className?: string }) {
  return (
    <div className={cx("relative rounded-md border border-line bg-sunken", className)}>
      <div
        role="region"
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        className="max-h-[32rem] overflow-auto p-2 pr-10 font-mono text-xs leading-5"
      >
        <Node value={value} depth={0} last />
      </div>
      <CopyButton
        text={JSON.stringify(value, null, 2)}
        label={`Copy ${label}`}
        className="absolute top-1.5 right-1.5 bg-sunken"
      />
    </div>
  );
}
