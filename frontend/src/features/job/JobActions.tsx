import { useNavigate } from "@tanstack/react-router";
import { Ban, CopyPlus, Download, Ellipsis, Rocket, RotateCcw, Scale, SquareTerminal, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { Snippets } from "@/lib/snippets";
import { Button, IconButton } from "@/ui/Button";
import { Menu, type MenuItem } from "@/ui/Menu";
import { toast } from "@/ui/Toast";
import { type Checkpoint, hasEnded, type Job } from "./queries";
import * as snippets from "./snippets";

const CopyAsDialog = lazy(() => import("@/ui/CopyAsDialog"));
const CreateDialog = lazy(() => import("@/features/deployments").then((it) => ({ default: it.CreateDialog })));
const CancelJobs = lazy(() => import("./Confirmations").then((it) => ({ default: it.CancelJobs })));
const DeleteJobs = lazy(() => import("./Confirmations").then((it) => ({ default: it.DeleteJobs })));

const ICON = "size-3.5";

/** The last checkpoint with an optimizer's state: the trained model itself has none. */
export const resumable = (job: Pick<Job, "checkpoints">): Checkpoint | undefined => job.checkpoints.findLast((one) => !one.final);

interface Props {
  job: Job;
  refetch: () => void;
  expect: (change: Partial<Job>) => void;
}

export function JobActions({ job, refetch, expect }: Props) {
  const navigate = useNavigate();
  const [open, setOpen] = useState<"cancel" | "delete" | "deploy" | null>(null);
  const [shown, setShown] = useState<{ title: string; snippets: Snippets } | null>(null);
  const can = (action: string) => job.viewerCan.includes(action);
  const from = resumable(job);
  const resume = () => {
    if (from) void navigate({ to: "/jobs/new", search: { from: job.id, resume: from.id } });
  };
  const clone = () => void navigate({ to: "/jobs/new", search: { from: job.id } });
  const broken = job.status === "CANCELLED" || job.status === "FAILED";

  const copies: MenuItem[] = (
    [
      ["This job", () => snippets.showJob(job.id)],
      ["Follow it live", () => snippets.followJob(job.id)],
      ["Create it again", () => snippets.createJob(job)],
      ...(from ? [["Go on from its last checkpoint", () => snippets.resumeJob(job, from.id)] as const] : []),
      ...(hasEnded(job.status)
        ? [["Delete it", () => snippets.deleteJob(job.id)] as const]
        : [["Cancel it", () => snippets.cancelJob(job.id)] as const]),
    ] as const
  ).map(([label, make]) => ({ label, onSelect: () => setShown({ title: label, snippets: make() }) }));

  const more: (MenuItem | null | false)[] = [
    { label: "Clone", icon: <CopyPlus aria-hidden className={ICON} />, onSelect: clone },
    from !== undefined &&
      hasEnded(job.status) &&
      !broken && {
        label: `Go on from step ${from.step}`,
        icon: <RotateCcw aria-hidden className={ICON} />,
        onSelect: resume,
      },
    {
      label: "Compare with others",
      icon: <Scale aria-hidden className={ICON} />,
      onSelect: () => void navigate({ to: "/compare", search: { ids: job.id } }),
    },
    job.modelUrl !== null && {
      label: "Download the model",
      icon: <Download aria-hidden className={ICON} />,
      onSelect: () => window.location.assign(job.modelUrl ?? ""),
    },
    can("delete") && null,
    can("delete") && {
      label: "Delete",
      icon: <Trash2 aria-hidden className={ICON} />,
      danger: true,
      onSelect: () => setOpen("delete"),
    },
  ];

  return (
    <>
      <Menu
        trigger={
          <Button size="sm" tone="ghost" icon={<SquareTerminal aria-hidden className={ICON} />}>
            Copy as
          </Button>
        }
        items={copies}
      />
      {can("cancel") && (
        <Button tone="danger" icon={<Ban aria-hidden className={ICON} />} onClick={() => setOpen("cancel")}>
          Cancel
        </Button>
      )}
      {broken && from && (
        <Button tone="solid" icon={<RotateCcw aria-hidden className={ICON} />} onClick={resume}>
          Go on from step {from.step}
        </Button>
      )}
      {can("deploy") && (
        <Button tone="solid" icon={<Rocket aria-hidden className={ICON} />} onClick={() => setOpen("deploy")}>
          Deploy
        </Button>
      )}
      <Menu
        trigger={
          <IconButton label="More actions" tone="plain">
            <Ellipsis aria-hidden className="size-4" />
          </IconButton>
        }
        items={more.filter((item) => item !== false)}
      />
      <Suspense>
        {shown && <CopyAsDialog title={shown.title} snippets={shown.snippets} onClose={() => setShown(null)} />}
        {open === "deploy" && <CreateDialog model={job.id} onClose={() => setOpen(null)} />}
        {open === "cancel" && (
          <CancelJobs
            jobs={[job]}
            saved={from?.step ?? 0}
            onClose={() => setOpen(null)}
            onStart={() => expect({ status: "CANCELLED", phase: null, viewerCan: [] })}
            onDone={(refused) => {
              // As it was, also where the server cannot be asked how it is.
              if (refused.size) expect({ status: job.status, phase: job.phase, viewerCan: job.viewerCan });
              refetch();
              if (refused.size) return;
              toast(
                from ? `${job.outputName} is cancelled. Its checkpoints are kept.` : `${job.outputName} is cancelled.`,
                from
                  ? { action: { label: `Go on from step ${from.step}`, run: resume } }
                  : { action: { label: "Clone", run: clone } },
              );
            }}
          />
        )}
        {open === "delete" && (
          <DeleteJobs
            jobs={[job]}
            onClose={() => setOpen(null)}
            onDone={(refused) => {
              if (refused.size) return refetch();
              toast(`${job.outputName} is deleted.`);
              void navigate({ to: "/jobs" });
            }}
          />
        )}
      </Suspense>
    </>
  );
}
