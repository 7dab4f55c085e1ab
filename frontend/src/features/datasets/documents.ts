/** What the dataset screens ask the server. */
import { graphql, type ResultOf } from "@/lib/graphql";

export const DatasetsQuery = graphql(`
  query Datasets($first: Int!, $after: Cursor, $search: String) {
    datasets(first: $first, after: $after, search: $search) {
      nodes {
        id
        name
        sourceType
        sourceUri
        huggingfaceDataset
        rowCount
        columns
        sizeBytes
        createdAt
        jobs(first: 10) {
          nodes {
            id
          }
          pageInfo {
            hasNextPage
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);
export type DatasetRow = ResultOf<typeof DatasetsQuery>["datasets"]["nodes"][number];

export const DatasetQuery = graphql(`
  query Dataset($id: ID!) {
    dataset(id: $id) {
      id
      name
      sourceType
      sourceUri
      huggingfaceDataset
      rowCount
      columns
      sizeBytes
      sha256
      createdAt
      readAt
    }
  }
`);
export type OneDataset = NonNullable<ResultOf<typeof DatasetQuery>["dataset"]>;

export const DatasetContentsQuery = graphql(`
  query DatasetContents($id: ID!) {
    dataset(id: $id) {
      id
      statistics {
        rowCount
        duplicatePrompts
        videoRows
        methods {
          method
          rowCount
          issues {
            line
            message
          }
        }
        clips {
          rowCount
          minFrames
          maxFrames
          shapes {
            width
            height
            fps
            rowCount
          }
        }
        columns {
          name
          types
          missing
        }
      }
    }
  }
`);

export type Statistics = NonNullable<ResultOf<typeof DatasetContentsQuery>["dataset"]>["statistics"];

export const DatasetTokensQuery = graphql(`
  query DatasetTokens($id: ID!, $baseModel: String!, $method: Method, $maxPromptLength: Int, $maxLength: Int) {
    dataset(id: $id) {
      id
      statistics(baseModel: $baseModel, method: $method, maxPromptLength: $maxPromptLength, maxLength: $maxLength) {
        tokens {
          baseModel
          baseRevision
          method
          min
          mean
          p50
          p90
          p95
          p99
          max
          maxPromptLength
          maxLength
          overLimit
        }
      }
    }
  }
`);
export type TokenLengths = NonNullable<NonNullable<ResultOf<typeof DatasetTokensQuery>["dataset"]>["statistics"]["tokens"]>;

export const DatasetJobsQuery = graphql(`
  query DatasetJobs($id: ID!, $first: Int!, $after: Cursor) {
    dataset(id: $id) {
      id
      jobs(first: $first, after: $after) {
        nodes {
          id
          outputName
          status
          baseModel
          createdAt
          completedAt
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);

export const BaseModelsQuery = graphql(`
  query BaseModels {
    baseModels {
      name
    }
  }
`);

export const CreateUpload = graphql(`
  mutation CreateUpload($input: CreateUploadInput!) {
    createUpload(input: $input) {
      errors {
        code
        message
        path
        hint
      }
      upload {
        id
        url
        maxBytes
      }
    }
  }
`);

export const CreateDataset = graphql(`
  mutation CreateDataset($input: CreateDatasetInput!) {
    createDataset(input: $input) {
      errors {
        code
        message
        path
        hint
        ... on DatasetRejected {
          issues {
            line
            message
          }
        }
      }
      dataset {
        id
        name
        rowCount
        columns
      }
    }
  }
`);

export const ConnectDataset = graphql(`
  mutation ConnectDataset($input: ConnectDatasetInput!) {
    connectDataset(input: $input) {
      errors {
        code
        message
        path
        hint
      }
      dataset {
        id
        name
        rowCount
        columns
      }
    }
  }
`);

export const ValidateDatasetSource = graphql(`
  mutation ValidateDatasetSource($input: DatasetSourceInput!) {
    validateDatasetSource(input: $input) {
      errors {
        code
        message
        path
        hint
      }
      validation {
        valid
        rowCount
        columns
        mappedColumns
        sample
        problems {
          code
          message
          line
        }
      }
    }
  }
`);
export type Validation = NonNullable<ResultOf<typeof ValidateDatasetSource>["validateDatasetSource"]["validation"]>;

export const DeleteDataset = graphql(`
  mutation DeleteDataset($input: DeleteDatasetInput!) {
    deleteDataset(input: $input) {
      errors {
        code
        message
        path
        hint
      }
      deletedId
    }
  }
`);

export const DatasetRowsQuery = graphql(`
  query DatasetRows($id: ID!, $first: Int!, $offset: Int, $after: Cursor, $search: String) {
    dataset(id: $id) {
      id
      rows(first: $first, offset: $offset, after: $after, search: $search) {
        nodes {
          number
          sizeBytes
          data
          preview
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);
export type RowOfDataset = NonNullable<ResultOf<typeof DatasetRowsQuery>["dataset"]>["rows"]["nodes"][number];

export const RenderedRowsQuery = graphql(`
  query RenderedRows($id: ID!, $baseModel: String!, $first: Int!, $offset: Int!) {
    dataset(id: $id) {
      id
      rendered(baseModel: $baseModel, first: $first, offset: $offset) {
        number
        tokens
        pieces {
          text
          special
          tokens
        }
        truncated
        problem
      }
    }
  }
`);
export type RenderedRow = NonNullable<ResultOf<typeof RenderedRowsQuery>["dataset"]>["rendered"][number];
