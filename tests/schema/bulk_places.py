"""Where GraphQL has what the REST routes of files and batches do: each is at three places."""

PREFIXES = ("/v1", "/v1/openai", "/api/v2/external")
FIELDS = {
    ("GET", "/files"): ("Query.files",),
    ("POST", "/files"): ("Mutation.createUpload", "Mutation.createFile"),
    ("GET", "/files/{file_id}"): ("Query.file",),
    ("DELETE", "/files/{file_id}"): ("Mutation.deleteFile",),
    ("GET", "/files/{file_id}/content"): ("File.contentUrl",),
    ("GET", "/batches"): ("Query.batches",),
    ("POST", "/batches"): ("Mutation.createBatch",),
    ("GET", "/batches/{batch_id}"): ("Query.batch",),
    ("POST", "/batches/{batch_id}/cancel"): ("Mutation.cancelBatch",),
    ("POST", "/batches/{batch_id}/retry"): ("Mutation.retryBatch",),
    ("GET", "/batches/{batch_id}/output"): ("Batch.outputUrl",),
    ("GET", "/batches/{batch_id}/errors"): ("Batch.errorsUrl",),
}
BULK_ROUTES = {f"{method} {prefix}{path}": fields for prefix in PREFIXES for (method, path), fields in FIELDS.items()}
