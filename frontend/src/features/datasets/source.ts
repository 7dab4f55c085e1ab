/** Where a dataset came from, in words. */

const NAMES: Record<string, string> = {
  upload: "Upload",
  hf: "Hugging Face",
  s3: "S3",
  gs: "Google Cloud",
  az: "Azure",
  url: "URL",
  postgres: "Postgres",
  mysql: "MySQL",
};

export const sourceName = (type: string): string => NAMES[type] ?? type;

export const sourcePlace = (dataset: { sourceUri: string | null; huggingfaceDataset: string | null }): string | null =>
  dataset.huggingfaceDataset ?? dataset.sourceUri;
