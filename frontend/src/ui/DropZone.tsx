import { Upload } from "lucide-react";
import { type DragEvent, useState } from "react";
import { cx } from "./cx";

interface DropZoneProps {
  /** Endings, which only help to find the file. */
  accept: string;
  hint: string;
  onFile: (file: File) => void;
}

/** A large button that a file can be dropped on. */
export function DropZone({ accept, hint, onFile }: DropZoneProps) {
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file) onFile(file);
  };
  return (
    <label
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      className={cx(
        "flex cursor-pointer flex-col items-center gap-1.5 rounded-lg border border-dashed px-4 py-8 text-center transition-colors",
        "has-focus-visible:outline-2 has-focus-visible:outline-accent has-focus-visible:outline-offset-1",
        over ? "border-accent bg-accent-soft" : "border-line-strong hover:bg-hover",
      )}
    >
      <Upload aria-hidden className="size-5 text-ink-3" />
      <span className="font-medium text-sm">Drop a file, or choose one</span>
      <span className="text-ink-3 text-xs">{hint}</span>
      <input
        type="file"
        accept={accept}
        aria-label="File to upload"
        className="sr-only"
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = "";
          if (file) onFile(file);
        }}
      />
    </label>
  );
}
