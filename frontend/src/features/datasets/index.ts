/** What other screens use of the datasets: choosing a file, a source or a base model, and how long prompts are. */
export { BaseModelInput, useBaseModels } from "./BaseModelInput";
export { ConnectDialog } from "./connect/ConnectDialog";
export { DatasetContentsQuery, DatasetRowsQuery } from "./documents";
export { clipsText } from "./fit";
export { sampleFile } from "./sample";
export { TokenLengths } from "./TokenLengths";
export { UploadDialog } from "./upload/UploadDialog";
export type { MadeDataset } from "./upload/useUpload";
