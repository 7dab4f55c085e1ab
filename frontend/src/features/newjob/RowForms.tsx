import { ChevronRight } from "lucide-react";
import { CodeBlock } from "@/ui/Copy";
import { withCode } from "@/ui/withCode";
import type { DataForms } from "./forms";

/** What rows a method takes, with one of each to copy. */
export function RowForms({ forms, open }: { forms: DataForms; open: boolean }) {
  return (
    <details className="group rounded-md border border-line" open={open}>
      <summary className="flex h-9 cursor-pointer select-none items-center gap-1.5 px-3 text-ink-2 text-sm hover:bg-hover">
        <ChevronRight aria-hidden className="size-3.5 transition-transform group-open:rotate-90" />
        What its rows look like
      </summary>
      <div className="flex flex-col gap-2.5 border-line border-t p-3">
        {forms.forms.map(({ about, row }) => (
          <div key={about} className="flex flex-col gap-1">
            <h3 className="text-ink-2 text-xs">{about}</h3>
            <CodeBlock code={row} label={about} />
          </div>
        ))}
        <p className="text-ink-3 text-xs">{withCode(forms.note)}</p>
      </div>
    </details>
  );
}
