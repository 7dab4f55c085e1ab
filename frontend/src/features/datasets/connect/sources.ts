/** What each kind of source needs, and the input that is made of a filled-in form. */
import type { VariablesOf } from "@/lib/graphql";
import type { ValidateDatasetSource } from "../documents";

export type SourceInput = VariablesOf<typeof ValidateDatasetSource>["input"];
export type SourceType = SourceInput["sourceType"];

export interface SourceForm {
  type: SourceType;
  name: string;
  uri: string;
  dataset: string;
  split: string;
  configName: string;
  connection: string;
  query: string;
  credentials: Record<string, string>;
  mapping: { from: string; to: string }[];
}

export const EMPTY: SourceForm = {
  type: "HF",
  name: "",
  uri: "",
  dataset: "",
  split: "train",
  configName: "",
  connection: "",
  query: "",
  credentials: {},
  mapping: [],
};

interface Credential {
  /** What the server calls it. */
  name: string;
  label: string;
  secret: boolean;
  placeholder?: string;
  /** A text of several lines, such as the JSON of a service account. */
  long?: boolean;
  required?: boolean;
}

interface Kind {
  type: SourceType;
  label: string;
  /** Where the rows are, for the one field that all but the hub and databases have. */
  place?: { label: string; placeholder: string; hint: string };
  credentials: readonly Credential[];
  credentialsHint: string;
}

const OBJECT = "One object: JSONL, a JSON array, CSV, TSV or Parquet; text also in gzip or zstd.";

export const KINDS: readonly Kind[] = [
  {
    type: "HF",
    label: "Hugging Face",
    credentials: [{ name: "token", label: "Token", secret: true, placeholder: "hf_…" }],
    credentialsHint: "Only for private datasets; the account's Hugging Face integration is used where none is given.",
  },
  {
    type: "S3",
    label: "S3",
    place: { label: "Object", placeholder: "s3://bucket/rows.parquet", hint: OBJECT },
    credentials: [
      { name: "access_key_id", label: "Access key id", secret: false },
      { name: "secret_access_key", label: "Secret access key", secret: true },
      { name: "session_token", label: "Session token", secret: true },
      { name: "region", label: "Region", secret: false, placeholder: "eu-central-1" },
      { name: "endpoint_url", label: "Endpoint", secret: false, placeholder: "https://minio.example.com" },
    ],
    credentialsHint: "Without keys the object must be public. An endpoint is for stores other than Amazon's.",
  },
  {
    type: "GS",
    label: "Google Cloud Storage",
    place: { label: "Object", placeholder: "gs://bucket/rows.jsonl", hint: OBJECT },
    credentials: [{ name: "service_account_key", label: "Service account key (JSON)", secret: true, long: true }],
    credentialsHint: "Without a key the object must be public.",
  },
  {
    type: "AZ",
    label: "Azure Blob",
    place: { label: "Blob", placeholder: "az://container/rows.jsonl", hint: OBJECT },
    credentials: [
      { name: "account_name", label: "Storage account", secret: false, placeholder: "mystorage", required: true },
      { name: "account_key", label: "Account key", secret: true },
      { name: "sas_token", label: "SAS token", secret: true },
    ],
    credentialsHint: "The account's name is always needed; a key or a SAS token only where the blob is not public.",
  },
  {
    type: "URL",
    label: "URL",
    place: { label: "Address", placeholder: "https://example.com/rows.jsonl", hint: OBJECT },
    credentials: [
      { name: "token", label: "Bearer token", secret: true },
      { name: "username", label: "User name", secret: false },
      { name: "password", label: "Password", secret: true },
    ],
    credentialsHint: "A token, or a user name with a password.",
  },
  {
    type: "POSTGRES",
    label: "Postgres",
    credentials: [
      { name: "username", label: "User name", secret: false },
      { name: "password", label: "Password", secret: true },
    ],
    credentialsHint: "Here rather than in the address, where both work.",
  },
  {
    type: "MYSQL",
    label: "MySQL",
    credentials: [
      { name: "username", label: "User name", secret: false },
      { name: "password", label: "Password", secret: true },
    ],
    credentialsHint: "Here rather than in the address, where both work.",
  },
];

export const kindOf = (type: SourceType): Kind => KINDS.find((kind) => kind.type === type) ?? (KINDS[0] as Kind);
export const isDatabase = (type: SourceType): boolean => type === "POSTGRES" || type === "MYSQL";

/** A name for a dataset of the source, as the command line makes one. */
export function suggestedName(form: SourceForm): string {
  if (form.type === "HF") return form.dataset.trim().replaceAll("/", "-").slice(0, 128);
  const place = isDatabase(form.type) ? form.connection : form.uri;
  const path =
    place
      .trim()
      .replace(/^\w+:\/\/[^/]*/, "")
      .split("?")[0] ?? "";
  const last = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
  return (last.split(".")[0] ?? "").slice(0, 128);
}

function credentialsOf(form: SourceForm): Record<string, string> {
  const known = kindOf(form.type).credentials.map((one) => one.name);
  return Object.fromEntries(
    known.flatMap((name) => {
      const value = form.credentials[name]?.trim();
      return value ? [[name, value]] : [];
    }),
  );
}

/** Whether secrets are given: then everything is read at once, because they are not kept. */
export function hasSecrets(form: SourceForm): boolean {
  const given = credentialsOf(form);
  return kindOf(form.type).credentials.some((one) => one.secret && given[one.name] !== undefined);
}

/** The server's input; what the kind of source does not need is left out. */
export function toInput(form: SourceForm): SourceInput {
  const credentials = credentialsOf(form);
  const mapping = Object.fromEntries(
    form.mapping.filter(({ from, to }) => from.trim() && to.trim()).map(({ from, to }) => [from.trim(), to.trim()]),
  );
  return {
    sourceType: form.type,
    ...(form.type === "HF"
      ? {
          huggingfaceDataset: form.dataset.trim(),
          huggingfaceConfig: { split: form.split.trim() || "train", configName: form.configName.trim() || null },
        }
      : isDatabase(form.type)
        ? { dbConnection: form.connection.trim(), dbQuery: form.query.trim() }
        : { sourceUri: form.uri.trim() }),
    ...(Object.keys(credentials).length ? { credentials } : {}),
    ...(Object.keys(mapping).length ? { columnMapping: mapping } : {}),
  };
}

/** Whether enough is filled in to ask the server. */
export function isFilled(form: SourceForm): boolean {
  if (form.type === "HF") return form.dataset.trim() !== "";
  return isDatabase(form.type) ? form.connection.trim() !== "" && form.query.trim() !== "" : form.uri.trim() !== "";
}
