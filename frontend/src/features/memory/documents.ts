import { graphql, type ResultOf } from "@/lib/graphql";

/** What a job is expected to take at its peak, wherever that is shown. */
export const MemoryEstimate = graphql(`
  fragment MemoryEstimate on MemoryEstimate @_unmask {
    totalBytes
    parts {
      name
      bytes
    }
    availableBytes
    fits
    basis
    advice
  }
`);
export type MemoryEstimate = ResultOf<typeof MemoryEstimate>;
