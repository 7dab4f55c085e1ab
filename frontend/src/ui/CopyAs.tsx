import { SquareTerminal } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { Snippets } from "@/lib/snippets";
import { Button, IconButton } from "./Button";

const load = () => import("./CopyAsDialog");
const CopyAsDialog = lazy(load);

/** The same thing from a program: a button that shows it in each language. */
export function CopyAs({
  title,
  snippets,
  compact = false,
}: {
  title: string;
  snippets: Snippets | (() => Snippets);
  /** The icon alone, which its title names. */
  compact?: boolean;
}) {
  const [open, setOpen] = useState(false);
  const opens = {
    onPointerEnter: () => void load(),
    onFocus: () => void load(),
    onClick: () => setOpen(true),
  };
  return (
    <>
      {compact ? (
        <IconButton label={`${title}: copy as`} {...opens}>
          <SquareTerminal aria-hidden className="size-3.5" />
        </IconButton>
      ) : (
        <Button size="sm" tone="ghost" icon={<SquareTerminal aria-hidden className="size-3.5" />} {...opens}>
          Copy as
        </Button>
      )}
      {open && (
        <Suspense>
          <CopyAsDialog
            title={title}
            snippets={typeof snippets === "function" ? snippets() : snippets}
            onClose={() => setOpen(false)}
          />
        </Suspense>
      )}
    </>
  );
}
