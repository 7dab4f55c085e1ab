import { Link } from "@tanstack/react-router";
import { useClient, useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { count } from "@/lib/format";
import { newKey } from "@/lib/idempotency";
import { Button } from "@/ui/Button";
import { Confirm, Dialog } from "@/ui/Dialog";
import { Status } from "@/ui/Status";
import { toast } from "@/ui/Toast";
import { DatasetJobsQuery, DeleteDataset } from "./documents";
import { CONTEXT } from "./useDatasets";

const LIVE = new Set(["QUEUED", "PROVISIONING", "RUNNING"]);

interface DeleteDialogProps {
  dataset: { id: string; name: string; rowCount: number | string | null };
  onClose: () => void;
  onDeleted?: () => void;
}

/** Asks before a dataset is deleted, and tells what still needs it. */
export function DeleteDialog({ dataset, onClose, onDeleted }: DeleteDialogProps) {
  const client = useClient();
  const [{ data }] = useQuery({
    query: DatasetJobsQuery,
    variables: { id: dataset.id, first: 100 },
    requestPolicy: "network-only",
  });
  const jobs = data?.dataset?.jobs.nodes ?? [];
  const live = jobs.filter((job) => LIVE.has(job.status));

  const remove = async () => {
    const input = { id: dataset.id, idempotencyKey: newKey() };
    const { data: answer, error } = await client.mutation(DeleteDataset, { input }, CONTEXT).toPromise();
    const wrong = error ? sentence(error) : answer?.deleteDataset.errors.map((one) => one.message).join(" ");
    if (wrong) toast(wrong, { mood: "bad" });
    else {
      toast(`${dataset.name} was deleted.`);
      onDeleted?.();
    }
  };

  if (live.length > 0) {
    return (
      <Dialog
        open
        onOpenChange={(open) => !open && onClose()}
        title={`${dataset.name} is still needed`}
        footer={<Button onClick={onClose}>Keep it</Button>}
      >
        <p className="text-sm">It can be deleted once {live.length === 1 ? "this job has" : "these jobs have"} ended:</p>
        <ul className="mt-2 flex flex-col gap-1">
          {live.map((job) => (
            <li key={job.id} className="flex items-center gap-3 text-sm">
              <Link to="/jobs/$id" params={{ id: job.id }} className="truncate font-medium hover:underline">
                {job.outputName}
              </Link>
              <Status status={job.status} />
            </li>
          ))}
        </ul>
      </Dialog>
    );
  }
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Delete ${dataset.name}?`}
      action="Delete"
      onConfirm={remove}
    >
      <p>
        {dataset.rowCount === null ? "What is known of its source" : `Its ${count(dataset.rowCount)} rows`} and its statistics are
        lost for good.
        {jobs.length > 0 &&
          ` ${jobs.length === 1 ? "One job that has ended learned" : `${jobs.length} jobs that have ended learned`} on it: they stay, with their models, but cannot be run again on the same rows.`}
      </p>
    </Confirm>
  );
}
