import { useMemo } from "react";
import { cx } from "@/ui/cx";
import { pieces } from "./text";

export interface Reading {
  /** Spaces and line ends are drawn. */
  whitespace: boolean;
  pattern: RegExp | null;
}

/** What a model wrote, to the letter. */
export function VisibleText({
  text,
  reading,
  className,
}: {
  text: string;
  reading: Reading;
  className?: string | false | undefined;
}) {
  const { whitespace, pattern } = reading;
  const parts = useMemo(() => pieces(text, whitespace, pattern), [text, whitespace, pattern]);
  if (!text) return <span className={cx("text-ink-3 italic", className)}>empty</span>;
  return (
    <span className={cx("whitespace-pre-wrap break-words", className)}>
      {parts.map((part, index) =>
        part.kind === "plain" ? (
          part.text
        ) : part.kind === "found" ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one text never move
          <mark key={index} className="rounded-xs bg-warn-soft text-warn">
            {part.text}
          </mark>
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one text never move
          <span key={index} className="text-ink-3">
            {part.text}
          </span>
        ),
      )}
    </span>
  );
}
