import { Link } from "@tanstack/react-router";
import { Eye, EyeOff, Plus, X } from "lucide-react";
import { Button, IconButton } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Status } from "@/ui/Status";
import { MOST } from "./view";

interface RunsProps {
  runs: readonly { id: string; name: string; color: string; status: string | undefined }[];
  hidden: readonly string[];
  onToggle: (id: string) => void;
  onRemove: (id: string) => void;
  onAdd: () => void;
}

/** The runs that are compared: what colour each has, and whether it is drawn. */
export function Runs({ runs, hidden, onToggle, onRemove, onAdd }: RunsProps) {
  return (
    <ul aria-label="Runs" className="flex flex-wrap items-center gap-1.5">
      {runs.map(({ id, name, color, status }) => {
        const off = hidden.includes(id);
        return (
          <li
            key={id}
            className="flex h-8 min-w-0 max-w-full items-center gap-1.5 rounded-md border border-line bg-surface pr-0.5 pl-2.5 shadow-card"
          >
            <span
              aria-hidden
              className={cx("size-2.5 shrink-0 rounded-full", off && "opacity-30")}
              style={{ background: `var(${color})` }}
            />
            <Link
              to="/jobs/$id"
              params={{ id }}
              className={cx("min-w-0 truncate font-medium text-sm hover:underline", off && "text-ink-3 line-through")}
            >
              {name}
            </Link>
            {status && <Status status={status} className="max-sm:hidden" />}
            <IconButton label={off ? `Show ${name}` : `Hide ${name}`} aria-pressed={off} onClick={() => onToggle(id)}>
              {off ? <EyeOff aria-hidden className="size-3.5" /> : <Eye aria-hidden className="size-3.5" />}
            </IconButton>
            <IconButton label={`Compare without ${name}`} onClick={() => onRemove(id)} className="-ml-1.5">
              <X aria-hidden className="size-3.5" />
            </IconButton>
          </li>
        );
      })}
      <li>
        <Button icon={<Plus aria-hidden className="size-3.5" />} disabled={runs.length >= MOST} onClick={onAdd}>
          Add a run
        </Button>
      </li>
    </ul>
  );
}
