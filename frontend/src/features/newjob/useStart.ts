/** Starting the job: once for each job as it stands, however often it is pressed. */
import { useNavigate } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { newKey } from "@/lib/idempotency";
import { toast } from "@/ui/Toast";
import { CreateTrainingJob, type PlanError } from "./documents";
import { type Body, type JobInput, toInput } from "./draft";
import { forget } from "./useDraft";

export interface Start {
  start: (body: Body) => Promise<void>;
  busy: boolean;
  /** What the server refused it for, until the job is another one. */
  errors: readonly PlanError[];
  failure: string | null;
  of: string;
}

export function useStart(): Start {
  const client = useClient();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<{ errors: readonly PlanError[]; failure: string | null; of: string }>({
    errors: [],
    failure: null,
    of: "",
  });
  const attempt = useRef<{ of: string; key: string }>({ of: "", key: "" });

  const start = async (body: Body) => {
    const of = JSON.stringify(body);
    // A lost answer is asked for again under the same key: it starts nothing twice.
    if (attempt.current.of !== of) attempt.current = { of, key: newKey() };
    setBusy(true);
    const input: JobInput = { ...toInput(body), idempotencyKey: attempt.current.key };
    const { data, error } = await client
      .mutation(CreateTrainingJob, { input }, { additionalTypenames: ["TrainingJob"] })
      .toPromise();
    setBusy(false);
    const job = data?.createTrainingJob.job;
    if (job) {
      forget();
      toast(`${job.outputName} is queued.`, { mood: "good" });
      void navigate({ to: "/jobs/$id", params: { id: job.id } });
      return;
    }
    if (!error) attempt.current = { of: "", key: "" };
    setRefused({ errors: data?.createTrainingJob.errors ?? [], failure: error ? sentence(error) : null, of });
  };
  return { start, busy, ...refused };
}
