import { type Refusal, told } from "@/lib/useAction";
import { Confirm } from "@/ui/Dialog";
import { toast } from "@/ui/Toast";
import { each, useJobActions } from "./actions";

interface Named {
  id: string;
  outputName: string;
}

interface Props {
  jobs: readonly Named[];
  onClose: () => void;
  /** Before the server has answered. */
  onStart?: (() => void) | undefined;
  /** With the ids of those that were refused. */
  onDone: (refused: ReadonlyMap<string, Refusal>) => void;
}

const named = (jobs: readonly Named[]): string => (jobs.length === 1 ? (jobs[0]?.outputName ?? "") : `${jobs.length} jobs`);

function tellRefusals(what: string, jobs: readonly Named[], refused: ReadonlyMap<string, Refusal>): void {
  for (const job of jobs) {
    const why = refused.get(job.id);
    if (why) toast(`${job.outputName} was not ${what}. ${told(why)}`, { mood: "bad" });
  }
}

/** Asks before jobs are cancelled; what is saved stays, and says so. */
export function CancelJobs({ jobs, onClose, onStart, onDone, saved }: Props & { saved?: number | null | undefined }) {
  const { cancel } = useJobActions();
  const many = jobs.length > 1;
  const confirm = async () => {
    onStart?.();
    // The page shows it as cancelled already: the question does not wait for the server.
    void each(
      jobs.map((job) => job.id),
      cancel,
    ).then((refused) => {
      tellRefusals("cancelled", jobs, refused);
      onDone(refused);
    });
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Cancel ${named(jobs)}?`}
      action={many ? `Cancel ${jobs.length} jobs` : "Cancel the job"}
      onConfirm={confirm}
    >
      <p>
        {many ? "Their training stops at once, and so do their bills." : "Training stops at once, and so does its bill."}{" "}
        {saved === 0 ? (
          <strong className="font-semibold text-ink">Nothing has been saved yet: what it learned so far is lost.</strong>
        ) : (
          <>
            Checkpoints, logs, metrics and rollouts stay
            {saved
              ? `; a new job can go on from step ${saved.toLocaleString("en-US")}`
              : ", and a new job can go on from a checkpoint"}
            . What was learned since the last checkpoint is lost.
          </>
        )}
      </p>
    </Confirm>
  );
}

/** Asks before jobs that have ended are deleted, and says what goes with them. */
export function DeleteJobs({ jobs, onClose, onStart, onDone }: Props) {
  const { remove } = useJobActions();
  const confirm = async () => {
    onStart?.();
    const refused = await each(
      jobs.map((job) => job.id),
      remove,
    );
    tellRefusals("deleted", jobs, refused);
    onDone(refused);
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Delete ${named(jobs)}?`}
      action={jobs.length > 1 ? `Delete ${jobs.length} jobs` : "Delete for good"}
      onConfirm={confirm}
    >
      <p>
        {jobs.length > 1 ? "Their" : "Its"} trained model and checkpoints, log, metrics, rollouts and events are deleted for good.
        What it cost stays in the ledger, and a model that was delivered elsewhere stays there.
      </p>
    </Confirm>
  );
}
