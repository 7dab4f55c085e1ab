/** The draft of a new job. It outlives a reload, and begins as a copy where the address names a job to clone or to resume. */
import { useCallback, useEffect, useState } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { ownKey } from "@/lib/own";
import type { SetUrlState } from "@/lib/url";
import { text } from "@/lib/url";
import { CheckpointToResumeQuery, type Hyperparameter, JobToCloneQuery, type Method } from "./documents";
import { type Draft, EMPTY, fromJob } from "./draft";

export const URL_STATE = { from: text(""), resume: text(""), dataset: text(""), reward: text("") };
type Address = { from: string; resume: string; dataset: string; reward: string };

const key = () => ownKey("new-job");

interface Kept {
  /** What the draft was begun from. */
  origin: string;
  draft: Draft;
}

const originOf = ({ from, resume }: Address): string => (resume ? `resume:${resume}` : from ? `from:${from}` : "");

function kept(): Kept | null {
  try {
    const { origin, draft } = JSON.parse(sessionStorage.getItem(key()) ?? "") as Kept;
    return { origin, draft: { ...EMPTY, ...draft, destination: { ...EMPTY.destination, ...draft.destination } } };
  } catch {
    return null;
  }
}

export const specsOf = (methods: readonly Method[] | undefined, method: string): readonly Hyperparameter[] =>
  methods?.find((one) => one.method.toLowerCase() === method)?.hyperparameters ?? [];

/** The job a new one is made after, and the checkpoint it goes on from: the newest that can be gone on from. */
async function begin(client: ReturnType<typeof useClient>, address: Address, methods: readonly Method[]): Promise<Draft> {
  let jobId = address.resume || address.from;
  let resumeFrom = "";
  if (jobId.startsWith("ckpt_")) {
    const { data, error } = await client.query(CheckpointToResumeQuery, { id: jobId }).toPromise();
    if (error) throw new Error(sentence(error));
    if (!data?.checkpoint) throw new Error(`There is no checkpoint ${jobId}.`);
    resumeFrom = data.checkpoint.id;
    jobId = data.checkpoint.job.id;
  } else if (jobId.includes("@")) {
    resumeFrom = jobId;
    jobId = jobId.split("@")[0] ?? "";
  }
  const { data, error } = await client.query(JobToCloneQuery, { id: jobId }).toPromise();
  if (error) throw new Error(sentence(error));
  const job = data?.job;
  if (!job) throw new Error(`There is no job ${jobId}.`);
  const draft = fromJob(job, specsOf(methods, job.method.toLowerCase()));
  if (!address.resume) return draft;
  // The trained model itself has no optimizer state to go on with.
  const last = job.checkpoints.findLast((one) => !one.final);
  if (!resumeFrom && !last) throw new Error(`${job.outputName} has no checkpoint to go on from but its trained model.`);
  return { ...draft, resumeFrom: resumeFrom || last?.id || "" };
}

export interface DraftState {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  replace: (draft: Draft) => void;
  clear: () => void;
  /** Why the job to begin from could not be had. */
  failure: string | null;
  isLoading: boolean;
}

export function useDraft(
  address: Address,
  setUrl: SetUrlState<typeof URL_STATE>,
  methods: readonly Method[] | undefined,
): DraftState {
  const client = useClient();
  const origin = originOf(address);
  const [state, setState] = useState<Kept>(() => {
    const found = kept();
    const draft = found?.origin === origin ? found.draft : EMPTY;
    const named = { datasetId: address.dataset || draft.datasetId, rewardId: address.reward || draft.rewardId };
    return { origin: found?.origin === origin || !origin ? origin : "", draft: { ...draft, ...named } };
  });
  const [failure, setFailure] = useState<string | null>(null);
  const isLoading = state.origin !== origin && failure === null;

  useEffect(() => {
    if (!isLoading || !methods) return;
    let open = true;
    begin(client, address, methods).then(
      (draft) => open && setState({ origin, draft }),
      (error: Error) => open && setFailure(error.message),
    );
    return () => {
      open = false;
    };
  }, [client, address, methods, origin, isLoading]);

  useEffect(() => {
    if (!isLoading) sessionStorage.setItem(key(), JSON.stringify({ ...state, origin }));
  }, [state, origin, isLoading]);

  const replace = useCallback(
    (draft: Draft) => {
      setState((was) => ({ ...was, draft }));
      setUrl({ dataset: draft.datasetId, reward: draft.rewardId });
    },
    [setUrl],
  );
  const change = useCallback(
    (part: Partial<Draft>) => {
      setState((was) => ({ ...was, draft: { ...was.draft, ...part } }));
      if (part.datasetId !== undefined) setUrl({ dataset: part.datasetId });
      if (part.rewardId !== undefined) setUrl({ reward: part.rewardId });
    },
    [setUrl],
  );
  const clear = useCallback(() => {
    forget();
    setFailure(null);
    setState({ origin: "", draft: EMPTY });
    setUrl({ from: "", resume: "", dataset: "", reward: "" });
  }, [setUrl]);
  return { draft: state.draft, change, replace, clear, failure, isLoading };
}

/** Forget the draft of a job that was started. */
export const forget = (): void => sessionStorage.removeItem(key());
