/** A query whose answer is worked out in the background: while the server says that it is not ready, it is asked again. */
import { useEffect } from "react";
import { type AnyVariables, type CombinedError, type UseQueryArgs, useQuery } from "urql";

const AGAIN_MS = 1500;

export const isWorking = (error: CombinedError | undefined): boolean =>
  error?.graphQLErrors.some((one) => one.extensions.code === "UNAVAILABLE") ?? false;

interface Answer<Data> {
  data: Data | undefined;
  error: CombinedError | undefined;
  isWaiting: boolean;
  retry: () => void;
}

export function usePatientQuery<Data, Variables extends AnyVariables>(args: UseQueryArgs<Variables, Data>): Answer<Data> {
  const [{ data, error, fetching }, ask] = useQuery<Data, Variables>(args);
  const again = isWorking(error) && !fetching;
  useEffect(() => {
    if (!again) return;
    const timer = setTimeout(() => ask({ requestPolicy: "network-only" }), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [again, ask]);
  return {
    data: error ? undefined : data,
    error: isWorking(error) ? undefined : error,
    isWaiting: !args.pause && (fetching || isWorking(error)),
    retry: () => ask({ requestPolicy: "network-only" }),
  };
}
