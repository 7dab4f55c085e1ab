import { Pencil } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import { Button, IconButton } from "@/ui/Button";
import { Textarea } from "@/ui/Field";

/** What was asked; it can be put differently, and is asked anew then. */
export function Question({ text, onEdit }: { text: string; onEdit?: ((text: string) => void) | undefined }) {
  const [draft, setDraft] = useState<string | null>(null);
  const save = () => {
    if (draft?.trim()) onEdit?.(draft.trim());
    setDraft(null);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === "Escape") setDraft(null);
    else if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) save();
    else return;
    event.preventDefault();
  };
  if (draft !== null) {
    return (
      <div className="flex flex-col gap-2">
        <Textarea
          autoFocus
          aria-label="Question"
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
          rows={3}
        />
        <div className="flex justify-end gap-2">
          <Button size="sm" onClick={() => setDraft(null)}>
            Keep
          </Button>
          <Button size="sm" tone="solid" onClick={save}>
            Ask anew
          </Button>
        </div>
      </div>
    );
  }
  return (
    <div className="group flex items-start justify-end gap-1 pl-8">
      {onEdit && (
        <IconButton
          label="Edit and ask anew"
          className="opacity-0 focus-visible:opacity-100 group-hover:opacity-100 pointer-coarse:opacity-100"
          onClick={() => setDraft(text)}
        >
          <Pencil aria-hidden className="size-3.5" />
        </IconButton>
      )}
      <p className="min-w-0 whitespace-pre-wrap break-words rounded-lg bg-hover px-3 py-1.5">{text}</p>
    </div>
  );
}
