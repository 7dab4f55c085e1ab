/** Reward functions to begin with. Each runs as it stands, on the samples that come with it. */

import exactMatchSamples from "./starters/exact_match.jsonl?raw";
import exactMatch from "./starters/exact_match.py?raw";
import formatCorrectSamples from "./starters/format_correct.jsonl?raw";
import formatCorrect from "./starters/format_correct.py?raw";
import jsonSchemaSamples from "./starters/json_schema.jsonl?raw";
import jsonSchema from "./starters/json_schema.py?raw";
import lengthPenaltySamples from "./starters/length_penalty.jsonl?raw";
import lengthPenalty from "./starters/length_penalty.py?raw";
import numericSamples from "./starters/numeric.jsonl?raw";
import numeric from "./starters/numeric.py?raw";

export interface Template {
  id: string;
  name: string;
  about: string;
  source: string;
  /** JSONL. */
  samples: string;
}

export const TEMPLATES: readonly Template[] = [
  {
    id: "exact_match",
    name: "Exact match",
    about: "1 where the reply is the answer, whatever its case and spaces.",
    source: exactMatch,
    samples: exactMatchSamples,
  },
  {
    id: "numeric",
    name: "Numeric answer",
    about: "1 where the number of the reply is the right one: the boxed one, else the last.",
    source: numeric,
    samples: numericSamples,
  },
  {
    id: "format_correct",
    name: "Format and correctness",
    about: "Two components: the tags are as asked for, and the answer in them is right.",
    source: formatCorrect,
    samples: formatCorrectSamples,
  },
  {
    id: "length_penalty",
    name: "Length penalty",
    about: "Correctness, less a part that grows with every word past a budget.",
    source: lengthPenalty,
    samples: lengthPenaltySamples,
  },
  {
    id: "json_schema",
    name: "JSON schema",
    about: "The reply is JSON, with the fields of the row's schema and their types.",
    source: jsonSchema,
    samples: jsonSchemaSamples,
  },
];

export const templateOf = (id: string): Template | undefined => TEMPLATES.find((one) => one.id === id);
