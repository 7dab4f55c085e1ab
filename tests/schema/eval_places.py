"""Where GraphQL has what resolvers and REST routes of evals do."""

FIELDS = {
    "eval_comparison.page": ("EvalRunComparison.items",),
    "eval_comparison.paired": ("EvalRunComparison.figures",),
    "eval_comparison.runs": ("Query.compareEvalRuns",),
    "eval_items.page": ("Query.evalItems",),
    "eval_runs.allowed": ("EvalRun.viewerCan",),
    "eval_runs.cancel": ("Mutation.cancelEvalRun",),
    "eval_runs.page": ("Query.evalRuns", "Eval.runs"),
    "eval_runs.rows": ("EvalRun.events",),
    "eval_runs.start": ("Mutation.startEvalRun",),
    "evals.allowed": ("Eval.viewerCan",),
    "evals.create": ("Mutation.createEval",),
    "evals.delete": ("Mutation.deleteEval",),
    "evals.page": ("Query.evals",),
    "related.eval_parts": ("EvalRun.progress",),
    "related.eval_runs": ("Eval.runs",),
}
SAME_AS = {"eval_runs.get": "related.by_id", "evals.get": "related.by_id"}
STREAMS = ("eval_runs.follow", "eval_runs.last_rows")
INNER = (
    "eval_models.cheapest",
    "eval_models.find",
    "eval_runs.find",
    "eval_scorers.check_references",
    "eval_uses.of_dataset",
    "eval_uses.of_reward_function",
    "evals.find",
)
INPUTS: dict[str, tuple[str, dict[str, str]]] = {
    "eval_inputs.EvalInput": ("CreateEvalInput", {}),
    "eval_inputs.EvalRunInput": ("StartEvalRunInput", {"gpu": "hardware"}),
}
NOT_INPUTS = {
    "eval_inputs.GenerationInput": "given as JSON, with the names that OpenAI's clients know",
    "eval_inputs.EvalRunInput.provider": "part of the hardware",
}
ROUTES: dict[str, tuple[str, ...] | str] = {
    "DELETE /v1/evals/{eval_id}": ("Mutation.deleteEval",),
    "GET /v1/evals": ("Query.evals",),
    "GET /v1/evals/{eval_id}": ("Query.eval",),
    "GET /v1/evals/{eval_id}/runs": ("Eval.runs",),
    "GET /v1/evals/{eval_id}/runs/{run_id}": ("Query.evalRun",),
    "GET /v1/evals/{eval_id}/runs/{run_id}/compare": ("Query.compareEvalRuns",),
    "GET /v1/evals/{eval_id}/runs/{run_id}/items": ("Query.evalItems",),
    "POST /v1/evals": ("Mutation.createEval",),
    "POST /v1/evals/{eval_id}/runs": ("Mutation.startEvalRun",),
    "POST /v1/evals/{eval_id}/runs/{run_id}/cancel": ("Mutation.cancelEvalRun",),
}
