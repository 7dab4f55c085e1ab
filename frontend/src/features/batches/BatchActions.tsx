import { Link, useNavigate } from "@tanstack/react-router";
import { Ban, Copy, RotateCcw, SquareTerminal } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { count, counted } from "@/lib/format";
import { useShortcuts } from "@/lib/shortcuts";
import type { Snippets } from "@/lib/snippets";
import { told } from "@/lib/useAction";
import { Button, buttonClass } from "@/ui/Button";
import { Confirm } from "@/ui/Dialog";
import { Menu } from "@/ui/Menu";
import { toast } from "@/ui/Toast";
import { useBatchActions } from "./actions";
import type { Batch } from "./documents";
import { sharesOf } from "./figures";
import { offered } from "./snippets";

const CopyAsDialog = lazy(() => import("@/ui/CopyAsDialog"));
const ICON = "size-3.5";

interface Props {
  batch: Batch;
  onChange: (to: Partial<Batch>) => void;
  onDone: () => void;
}

/** What may be done with it as it stands, and each of it from a program. */
export function BatchActions({ batch, onChange, onDone }: Props) {
  const navigate = useNavigate();
  const act = useBatchActions(batch.id);
  const [cancelling, setCancelling] = useState(false);
  const [retrying, setRetrying] = useState(false);
  const [shown, setShown] = useState<{ title: string; snippets: Snippets } | null>(null);
  const can = (action: string) => batch.viewerCan.includes(action);
  const { completed, left, failed } = sharesOf(batch.counts);

  const cancel = async () => {
    const { status, viewerCan } = batch;
    onChange({ status: "CANCELLING", viewerCan: viewerCan.filter((one) => one !== "cancel") });
    const refused = await act.cancel();
    if (!refused) return onDone();
    onChange({ status, viewerCan });
    toast(told(refused), { mood: "bad" });
  };
  const retry = async () => {
    setRetrying(true);
    const made = await act.retry();
    setRetrying(false);
    if (typeof made !== "string") return void toast(told(made), { mood: "bad" });
    toast(`A new batch of the ${counted(failed, "line")} that failed.`);
    void navigate({ to: "/batches/$id", params: { id: made } });
  };
  useShortcuts([
    ...(can("cancel") ? [{ keys: "x", label: "Cancel the batch", group: "Batch", run: () => setCancelling(true) }] : []),
    ...(can("retry") ? [{ keys: "r", label: "Retry the failed lines", group: "Batch", run: () => void retry() }] : []),
  ]);
  return (
    <>
      <Menu
        trigger={
          <Button size="sm" tone="ghost" icon={<SquareTerminal aria-hidden className={ICON} />}>
            Copy as
          </Button>
        }
        items={offered(batch).map(([label, make]) => ({ label, onSelect: () => setShown({ title: label, snippets: make() }) }))}
      />
      {batch.inputFile && (
        <Link to="/batches" search={{ file: batch.inputFileId }} className={buttonClass("plain")}>
          <Copy aria-hidden className={ICON} />
          Run again
        </Link>
      )}
      {can("retry") && (
        <Button tone="solid" busy={retrying} icon={<RotateCcw aria-hidden className={ICON} />} onClick={() => void retry()}>
          Retry {counted(failed, "failed line")}
        </Button>
      )}
      {can("cancel") && (
        <Button tone="danger" icon={<Ban aria-hidden className={ICON} />} onClick={() => setCancelling(true)}>
          Cancel
        </Button>
      )}
      <Suspense>
        {shown && <CopyAsDialog title={shown.title} snippets={shown.snippets} onClose={() => setShown(null)} />}
      </Suspense>
      <Confirm
        open={cancelling}
        onOpenChange={setCancelling}
        title="Cancel this batch?"
        action="Cancel the batch"
        onConfirm={cancel}
      >
        {batch.counts.total === 0 ? (
          "Its file is still being checked: nothing was sent, and nothing will be."
        ) : (
          <>
            {completed > 0
              ? `The ${counted(completed, "answer")} so far ${completed === 1 ? "is" : "are"} kept, as its output file.`
              : "Nothing was answered yet."}{" "}
            {counted(left, "line")} will not be asked: {left === 1 ? "it goes" : "they go"} to the error file, and can be retried
            as a batch of their own{failed > 0 ? `, with the ${count(failed)} that failed` : ""}. What is being answered at this
            moment is cut off.
          </>
        )}
      </Confirm>
    </>
  );
}
