import { useState } from "react";
import { useMutation } from "urql";
import { sentence } from "@/lib/errors";
import { newKey } from "@/lib/idempotency";
import { Confirm } from "@/ui/Dialog";
import { toast } from "@/ui/Toast";
import { DeleteReward, type RewardRow } from "./documents";

interface DeleteRewardDialogProps {
  reward: Pick<RewardRow, "id" | "name" | "jobs">;
  onClose: () => void;
  onDeleted: () => void;
}

const NAMED = 5;

/** Asks, naming the jobs that used it: they keep what they ran. */
export function DeleteRewardDialog({ reward, onClose, onDeleted }: DeleteRewardDialogProps) {
  const [, remove] = useMutation(DeleteReward);
  const [key] = useState(newKey);
  const confirm = async () => {
    const { data, error } = await remove({ input: { id: reward.id, idempotencyKey: key } });
    const refused = data?.deleteRewardFunction.errors[0];
    if (error || refused) {
      const words = error ? sentence(error) : `${refused?.message ?? ""} ${refused?.hint ?? ""}`;
      toast(words.trim(), { mood: "bad" });
      return;
    }
    toast(`${reward.name} was deleted.`);
    onDeleted();
  };
  const jobs = reward.jobs.nodes;
  const more = jobs.length - NAMED;
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Delete ${reward.name}?`}
      action="Delete"
      onConfirm={confirm}
    >
      <p>The source and its test are lost. No new job can learn from it.</p>
      {jobs.length > 0 && (
        <>
          <p className="mt-2">These jobs used it, and keep what they ran. One in progress keeps it from being deleted.</p>
          <ul className="mt-1 list-disc pl-5">
            {jobs.slice(0, NAMED).map((job) => (
              <li key={job.id} className="break-words">
                {job.outputName || job.id} <span className="text-ink-3">{job.status.toLowerCase()}</span>
              </li>
            ))}
          </ul>
          {more > 0 && <p className="text-ink-3">and {reward.jobs.pageInfo.hasNextPage ? `more than ${more}` : more} others</p>}
        </>
      )}
    </Confirm>
  );
}
