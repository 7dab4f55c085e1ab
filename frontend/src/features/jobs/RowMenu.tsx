import { useNavigate } from "@tanstack/react-router";
import { Ban, Copy, CopyPlus, Ellipsis, ExternalLink, Rocket, Trash2 } from "lucide-react";
import { IconButton } from "@/ui/Button";
import { copyText } from "@/ui/Copy";
import { Menu, type MenuItem } from "@/ui/Menu";
import { toast } from "@/ui/Toast";
import type { JobRow } from "./queries";

const ICON = "size-3.5";

/** What can be done to one job of the list. */
export function RowMenu({ row, onCancel, onDelete }: { row: JobRow; onCancel: () => void; onDelete: () => void }) {
  const navigate = useNavigate();
  const can = (action: string) => row.viewerCan.includes(action);
  const copyId = async () => {
    if (await copyText(row.id)) toast(`Copied ${row.id}`);
    else toast(`The browser did not allow copying. The id is ${row.id}`, { mood: "bad" });
  };
  const items: (MenuItem | null | false)[] = [
    {
      label: "Open",
      icon: <ExternalLink aria-hidden className={ICON} />,
      onSelect: () => void navigate({ to: "/jobs/$id", params: { id: row.id } }),
    },
    {
      label: "Clone",
      icon: <CopyPlus aria-hidden className={ICON} />,
      onSelect: () => void navigate({ to: "/jobs/new", search: { from: row.id } }),
    },
    can("deploy") && {
      label: "Deploy",
      icon: <Rocket aria-hidden className={ICON} />,
      onSelect: () => void navigate({ to: "/deployments", search: { model: row.id } }),
    },
    { label: "Copy id", icon: <Copy aria-hidden className={ICON} />, onSelect: () => void copyId() },
    (can("cancel") || can("delete")) && null,
    can("cancel") && { label: "Cancel", icon: <Ban aria-hidden className={ICON} />, danger: true, onSelect: onCancel },
    can("delete") && { label: "Delete", icon: <Trash2 aria-hidden className={ICON} />, danger: true, onSelect: onDelete },
  ];
  return (
    <Menu
      trigger={
        <IconButton label={`Actions on ${row.outputName}`}>
          <Ellipsis aria-hidden className="size-4" />
        </IconButton>
      }
      items={items.filter((item) => item !== false)}
    />
  );
}
