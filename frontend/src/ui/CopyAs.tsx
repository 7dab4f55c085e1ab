import { SquareTerminal } from "lucide-react";
import { useState } from "react";
import { LANGUAGES, NAMES, type Snippets } from "@/lib/snippets";
import { Button } from "./Button";
import { CodeBlock } from "./Copy";
import { Dialog } from "./Dialog";
import { Tabs } from "./Tabs";

/** The same thing from a program: a button that shows it in each language. */
export function CopyAs({ title, snippets }: { title: string; snippets: Snippets | (() => Snippets) }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button size="sm" tone="ghost" icon={<SquareTerminal aria-hidden className="size-3.5" />} onClick={() => setOpen(true)}>
        Copy as
      </Button>
      {open && (
        <CopyAsDialog
          title={title}
          snippets={typeof snippets === "function" ? snippets() : snippets}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}

const KEY = "burnish.copy-as";

export function CopyAsDialog({ title, snippets, onClose }: { title: string; snippets: Snippets; onClose: () => void }) {
  const offered = LANGUAGES.filter((one) => snippets[one]);
  const [language, setLanguage] = useState(() => {
    const last = localStorage.getItem(KEY);
    return offered.find((one) => one === last) ?? offered[0] ?? "curl";
  });
  const choose = (to: (typeof LANGUAGES)[number]) => {
    localStorage.setItem(KEY, to);
    setLanguage(to);
  };
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={title}
      description="The key is read from BURNISH_API_KEY; make one under Settings."
    >
      <Tabs label="Language" tabs={offered.map((id) => ({ id, label: NAMES[id] }))} value={language} onChange={choose}>
        <CodeBlock code={snippets[language] ?? ""} label={NAMES[language]} />
      </Tabs>
    </Dialog>
  );
}
