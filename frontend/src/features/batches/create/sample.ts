/** A small file of requests to try a batch with, or to write one's own after. */
const QUESTIONS = [
  "What is 1 + 2? Reply with just the number.",
  "What is 4 + 4? Reply with just the number.",
  "What is 9 − 3? Reply with just the number.",
  "Name a colour of the rainbow.",
  "What is the capital of France?",
  "Translate to German: good morning",
  "Give a rhyme for 'light'.",
  "Which is larger, 0.9 or 0.11?",
];

/** Lines that ask a deployment by its name. */
export const sampleLines = (model: string): string =>
  QUESTIONS.map((content, index) =>
    JSON.stringify({
      custom_id: `question-${index + 1}`,
      method: "POST",
      url: "/v1/chat/completions",
      body: { model, messages: [{ role: "user", content }], max_tokens: 32 },
    }),
  )
    .join("\n")
    .concat("\n");

export const sampleFile = (model: string): File =>
  new File([sampleLines(model)], "sample-requests.jsonl", { type: "application/jsonl" });
