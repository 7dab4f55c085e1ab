import { ArrowUp, Square } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { IconButton } from "@/ui/Button";

interface ComposerProps {
  busy: boolean;
  disabled: boolean;
  onSend: (text: string) => void;
  onStop: () => void;
}

/** One question for all columns: Enter sends, Shift+Enter begins a line, Escape stops the answers. */
export function Composer({ busy, disabled, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState("");
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => area.current?.focus(), []);
  const send = () => {
    if (!text.trim() || disabled || busy) return;
    onSend(text.trim());
    setText("");
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape" && busy) onStop();
    else if (event.key === "Enter" && !event.shiftKey) send();
    else return;
    event.preventDefault();
  };
  return (
    <div className="flex items-end gap-2 rounded-lg border border-line bg-surface p-1.5 pl-3 shadow-card focus-within:border-line-strong">
      <textarea
        ref={area}
        aria-label="Message"
        rows={1}
        value={text}
        placeholder={disabled ? "None of these serves now" : "Ask something"}
        disabled={disabled}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        className="field-sizing-content max-h-48 min-h-8 flex-1 resize-none bg-transparent py-1.5 text-base outline-none"
      />
      {busy ? (
        <IconButton label="Stop (Escape)" tone="solid" size="md" onClick={onStop}>
          <Square aria-hidden className="size-3.5" />
        </IconButton>
      ) : (
        <IconButton label="Send (Enter)" tone="solid" size="md" disabled={!text.trim() || disabled} onClick={send}>
          <ArrowUp aria-hidden className="size-4" />
        </IconButton>
      )}
    </div>
  );
}
