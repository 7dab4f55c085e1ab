import { ChevronRight } from "lucide-react";
import type { ReactNode } from "react";
import { Copyable } from "./Copy";

/** Above the title of one thing: the list it is of, and its id to carry elsewhere. */
export function Trail({ children, id }: { children: ReactNode; id?: string | undefined }) {
  return (
    <nav
      aria-label="Where this is"
      className="flex min-h-6 min-w-0 items-center gap-1 [&_a:hover]:text-ink [&_a:hover]:underline"
    >
      {children}
      {id && (
        <>
          <ChevronRight aria-hidden className="size-3 shrink-0" />
          <Copyable text={id} />
        </>
      )}
    </nav>
  );
}
