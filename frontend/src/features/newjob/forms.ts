/** What the rows of a dataset look like for each method, as examples that could be uploaded as they stand. */

export interface RowForm {
  /** What one would have such rows for. */
  about: string;
  row: string;
}

export interface DataForms {
  hint: string;
  forms: readonly RowForm[];
  note: string;
}

const CHAT = '{"role": "user", "content": "What is 2+3?"}';

const FORMS: Record<string, DataForms> = {
  grpo: {
    hint: "Rows of prompts; every other column reaches the reward function.",
    forms: [
      { about: "A conversation to answer", row: `{"prompt": [${CHAT}], "answer": "5"}` },
      { about: "A text to go on with", row: '{"prompt": "2+3=", "answer": "5"}' },
    ],
    note: "Call the true answer `answer`, `label`, `ground_truth` or `solution`: reward functions and evals find it by any of these names.",
  },
  sft: {
    hint: "Rows of answers that the model is to give as they stand.",
    forms: [
      { about: "A conversation, answers included", row: `{"messages": [${CHAT}, {"role": "assistant", "content": "5"}]}` },
      { about: "A prompt and its answer", row: '{"prompt": "What is 2+3?", "completion": "5"}' },
      { about: "Plain text", row: '{"text": "Two and three are five."}' },
    ],
    note: "With `completion_only` the model learns from its answers alone, and not from what it is asked. Plain text has no answer: all of it counts.",
  },
  dpo: {
    hint: "Rows of two answers, of which one is preferred.",
    forms: [
      { about: "Texts", row: '{"prompt": "What is 2+3?", "chosen": "5", "rejected": "6"}' },
      {
        about: "Messages",
        row: `{"prompt": [${CHAT}], "chosen": [{"role": "assistant", "content": "5"}], "rejected": [{"role": "assistant", "content": "6"}]}`,
      },
    ],
    note: "Both answers are to the same prompt. A model that was warmed up with SFT on such answers learns more.",
  },
  sft_video_gen: {
    hint: "Clips with captions: an archive with its metadata.jsonl, or rows that name clips by URL.",
    forms: [
      {
        about: "In a .zip or .tar.gz, whose root holds metadata.jsonl",
        row: '{"prompt": "A red ball bounces.", "video": "clips/ball.mp4"}',
      },
      { about: "Clips that the job fetches", row: '{"prompt": "A red ball bounces.", "video": "https://example.com/ball.mp4"}' },
    ],
    note: "`caption` may stand for `prompt`, and `video_path` or `file_name` for `video`. A clip needs at least `num_frames` frames.",
  },
};

/** Null of a method that this page does not know. */
export const formsOf = (method: string): DataForms | null => FORMS[method] ?? null;
