/** `graphql(\`…\`)`: documents typed from the committed schema. */
import { initGraphQLTada } from "gql.tada";
import type { introspection } from "./graphql-env.d.ts";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export const graphql = initGraphQLTada<{
  introspection: introspection;
  disableMasking: false;
  scalars: {
    /** Integers beyond 32 bits come as strings where they are beyond 53. */
    BigInt: number | string;
    Cursor: string;
    /** RFC 3339, UTC. */
    DateTime: string;
    /** Exact decimal, as a string. */
    Decimal: string;
    JSON: Json;
  };
}>();

export type { FragmentOf, ResultOf, VariablesOf } from "gql.tada";
export { readFragment } from "gql.tada";
