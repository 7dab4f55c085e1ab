import { useState } from "react";
import { LANGUAGES, NAMES, type Snippets } from "@/lib/snippets";
import { CodeBlock } from "./Copy";
import { Dialog } from "./Dialog";
import { Tabs } from "./Tabs";

const KEY = "burnish.copy-as";

/** The same thing in each language. */
export default function CopyAsDialog({ title, snippets, onClose }: { title: string; snippets: Snippets; onClose: () => void }) {
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
