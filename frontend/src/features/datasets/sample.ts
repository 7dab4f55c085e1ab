/** The example's prompts as a file, to try the platform with: the very ones of `examples/quick`. */
export async function sampleFile(): Promise<File> {
  const { default: text } = await import("../../../../examples/quick/prompts.jsonl?raw");
  return new File([text], "sample-sums.jsonl", { type: "application/jsonl" });
}
