import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { IconButton } from "./Button";
import { cx } from "./cx";
import { toast } from "./Toast";

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages without TLS have no clipboard; the old way still works.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr-only";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function CopyButton({ text, label = "Copy", className }: { text: string; label?: string; className?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const onClick = async () => {
    if (await copyText(text)) setDone(true);
    else toast("The browser did not allow copying.", { mood: "bad" });
  };
  return (
    <IconButton label={done ? "Copied" : label} className={className ?? ""} onClick={() => void onClick()}>
      {done ? <Check aria-hidden className="size-3.5 text-good" /> : <Copy aria-hidden className="size-3.5" />}
    </IconButton>
  );
}

/** An id or another text that people carry elsewhere. */
export function Copyable({ text, shown, className }: { text: string; shown?: string; className?: string }) {
  return (
    <span className={cx("inline-flex min-w-0 max-w-full items-center gap-0.5 font-mono text-xs", className)}>
      <span className="truncate" title={text}>
        {shown ?? text}
      </span>
      <CopyButton text={text} label={`Copy ${shown ?? text}`} />
    </span>
  );
}

/** Code as it is typed, with a button to copy it. */
export function CodeBlock({ code, label, className }: { code: string; label: string; className?: string }) {
  return (
    <div className={cx("relative rounded-md border border-line bg-sunken", className)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre aria-label={label} role="region" tabIndex={0} className="max-h-96 overflow-auto p-3 pr-10 font-mono text-xs leading-5">
        {code}
      </pre>
      <CopyButton text={code} label={`Copy ${label}`} className="absolute top-1.5 right-1.5 bg-sunken" />
    </div>
  );
}
