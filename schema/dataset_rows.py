"""The rows of a dataset: from anywhere in it, searched, and as a model reads them."""

from typing import Annotated, Self

import strawberry

from burnish.kit.errors import Invalid
from resolvers import cursors, dataset_rows, rendering
from resolvers.cursors import Cursor
from schema.context import Info
from schema.methods import Method, value_of
from schema.nodes import After, Connection, First, Node, connect, within
from schema.scalars import JSON, BigInt

KIND = "rows"
Offset = Annotated[int | None, strawberry.argument(description="Begin with the row of this number, from 0.")]
SearchRows = Annotated[
    str | None,
    strawberry.argument(
        description="Only rows that contain this, whatever its case. A request searches about 16 MiB: a page may be short, or "
        "empty, and still say `hasNextPage`; the next one goes on from its `endCursor`."
    ),
]


@strawberry.type(description="A row of a dataset.")
class DatasetRow:
    cursor: Cursor = strawberry.field(description="Its place in the dataset.")
    number: BigInt = strawberry.field(description="Its line in the JSONL, from 0: the `datasetRow` of rollouts.")
    size_bytes: int = strawberry.field(description="Its length.")
    data: JSON | None = strawberry.field(description="The row; null where it is longer than 256 KiB.")
    preview: str = strawberry.field(description="The beginning of the row as it is stored, at most 2,000 characters.")

    @classmethod
    def of(cls, dataset_id: str, row: dataset_rows.DatasetRow) -> Self:
        return cls(
            cursor=cursors.position(dataset_id, KIND, row.number + 1),
            number=BigInt(row.number),
            size_bytes=row.size_bytes,
            data=None if row.data is None else JSON(row.data),
            preview=row.preview,
        )


@strawberry.type(description="A page of a dataset's rows, in their order. It ends early where rows are long: after some 4 MiB.")
class DatasetRowConnection(Connection[DatasetRow]): ...


@strawberry.type(description="Text of one special token, or of a run of tokens that are not special.")
class RenderedPiece:
    text: str = strawberry.field(description="The text.")
    special: bool = strawberry.field(description="Whether it is a special token, such as `<|im_start|>`.")
    learned: bool = strawberry.field(description="Whether a job learns to say it, with `completion_only` as by default.")
    tokens: int = strawberry.field(description="How many tokens it is.")

    @classmethod
    def of(cls, one: rendering.Piece) -> Self:
        return cls(text=one.text, special=one.special, learned=one.learned, tokens=one.tokens)


@strawberry.type(
    description="A row as a model reads it, through its chat template: for `GRPO` its prompt, for `SFT` all of it, for `DPO` the "
    "prompt with the chosen answer, for `SFT_VIDEO_GEN` the caption."
)
class RenderedRow:
    number: BigInt = strawberry.field(description="The number of the row.")
    tokens: int = strawberry.field(
        description="How many tokens it is; for `DPO` the prompt with the longer answer, which `max_length` is about."
    )
    pieces: list[RenderedPiece] = strawberry.field(description="The row in pieces: together they are its whole text.")
    rejected: list[RenderedPiece] = strawberry.field(description="For `DPO` the rejected answer, which follows the same prompt.")
    truncated: bool = strawberry.field(description="Whether the pieces leave out its end: they have 65,536 characters at most.")
    problem: str | None = strawberry.field(description="Why it cannot be rendered: the template's own words, for one.")

    @classmethod
    def of(cls, row: rendering.Rendered) -> Self:
        return cls(
            number=BigInt(row.number),
            tokens=row.tokens,
            pieces=[RenderedPiece.of(one) for one in row.pieces],
            rejected=[RenderedPiece.of(one) for one in row.rejected],
            truncated=row.truncated,
            problem=row.problem,
        )


@strawberry.type
class Rows:
    """The fields of a dataset that give its rows."""

    @strawberry.field(
        description="Its rows, from anywhere. An error with the code `INVALID_STATE` where it has not been read; `UNAVAILABLE` "
        "while a large one is being indexed."
    )
    async def rows(
        self,
        root: strawberry.Parent[Node],
        info: Info,
        first: First = 20,
        after: After = None,
        offset: Offset = None,
        search: SearchRows = None,
    ) -> DatasetRowConnection:
        start = _start(root.id, after, offset)
        page = await dataset_rows.page(info.context.known, root.id, start=start, limit=within(first), search=search)
        rows = [DatasetRow.of(root.id, row) for row in page.rows]
        end = cursors.position(root.id, KIND, page.reached) if page.more else None
        return connect(DatasetRowConnection, [(row.cursor, row) for row in rows], after=after, has_more=page.more, end=end)

    @strawberry.field(
        description="The rows with so many numbers from `offset` on, as a model reads them. The first time it takes seconds, and "
        " the answer may be an error with the code `UNAVAILABLE`: ask again."
    )
    async def rendered(
        self,
        root: strawberry.Parent[Node],
        info: Info,
        base_model: Annotated[str, strawberry.argument(description="The model whose tokenizer and template are used.")],
        method: Annotated[
            Method | None,
            strawberry.argument(description="As this method reads the rows; by default the first that all of them serve."),
        ] = None,
        first: First = 20,
        offset: Annotated[int, strawberry.argument(description="The number of the first row, from 0.")] = 0,
    ) -> list[RenderedRow]:
        found = await rendering.read(
            info.context.known, root.id, base_model, method=value_of(method), start=offset, limit=within(first)
        )
        return [RenderedRow.of(row) for row in found]


def _start(dataset_id: str, after: Cursor | None, offset: int | None) -> int:
    if offset is None:
        return 0 if after is None else cursors.read_position(after, dataset_id, KIND)
    if after is not None:
        raise Invalid("Give either a cursor or the number of a row.", param="offset")
    if offset < 0:
        raise Invalid("Rows are numbered from 0.", param="offset")
    return offset
