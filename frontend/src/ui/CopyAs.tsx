import { SquareTerminal } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { Snippets } from "@/lib/snippets";
import { Button } from "./Button";

const load = () => import("./CopyAsDialog");
const CopyAsDialog = lazy(load);

/** The same thing from a program: a button that shows it in each language. */
export function CopyAs({ title, snippets }: { title: string; snippets: Snippets | (() => Snippets) }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button
        size="sm"
        tone="ghost"
        icon={<SquareTerminal aria-hidden className="size-3.5" />}
        onPointerEnter={() => void load()}
        onFocus={() => void load()}
        onClick={() => setOpen(true)}
      >
        Copy as
      </Button>
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
