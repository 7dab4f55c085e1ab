"""A stock Strawberry server, as its documentation shows one, over the rows of a Burnish database: `DATABASE PORT ACCOUNT`.

Types, a DataLoader for each relation, SQLAlchemy rows read in a session for each statement, the ASGI view and uvicorn, all with
their defaults. It answers anybody, sets no limits and knows one account.
"""

import enum
import sys
from datetime import datetime
from typing import Any

import strawberry
import uvicorn
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlmodel import col, select
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader

from models import dataset, job

engine = create_async_engine(f"sqlite+aiosqlite:///{sys.argv[1]}")
sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


@strawberry.enum
class JobStatus(enum.Enum):
    QUEUED = "queued"
    PROVISIONING = "provisioning"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@strawberry.type
class Dataset:
    id: strawberry.ID
    name: str
    row_count: int | None
    columns: list[str]


@strawberry.type
class Hardware:
    type: str
    count: int
    provider: str | None


@strawberry.type
class LatestMetric:
    key: str
    value: float


@strawberry.type
class TrainingJob:
    id: strawberry.ID
    output_name: str
    status: JobStatus
    base_model: str
    created_at: datetime
    completed_at: datetime | None
    hardware: Hardware | None
    latest_metrics: list[LatestMetric]
    dataset_id: strawberry.Private[str]

    @strawberry.field
    async def dataset(self, info: strawberry.Info) -> Dataset:
        found: Dataset = await info.context["datasets"].load(self.dataset_id)
        return found


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class JobConnection:
    nodes: list[TrainingJob]
    page_info: PageInfo


@strawberry.type
class Query:
    @strawberry.field
    async def jobs(self, first: int = 20) -> JobConnection:
        async with sessions() as session:
            statement = select(job.Job).order_by(col(job.Job.created_at).desc(), col(job.Job.id).desc()).limit(first + 1)
            rows = (await session.execute(statement)).scalars().all()
        nodes = [_job(row) for row in rows[:first]]
        return JobConnection(nodes=nodes, page_info=PageInfo(has_next_page=len(rows) > first, end_cursor=nodes[-1].id))


def _job(row: job.Job) -> TrainingJob:
    return TrainingJob(
        id=strawberry.ID(row.id),
        output_name=row.output_name,
        status=JobStatus(row.status),
        base_model=row.base_model,
        created_at=row.created_at,
        completed_at=row.completed_at,
        hardware=None if row.gpu is None else Hardware(**row.gpu, provider=row.provider),
        latest_metrics=[LatestMetric(key=key, value=value) for key, value in sorted(row.latest_metrics.items())],
        dataset_id=row.dataset_id,
    )


async def load_datasets(ids: list[str]) -> list[Dataset]:
    async with sessions() as session:
        rows = (await session.execute(select(dataset.Dataset).where(col(dataset.Dataset.id).in_(ids)))).scalars().all()
    found = {
        row.id: Dataset(id=strawberry.ID(row.id), name=row.name, row_count=row.num_rows, columns=row.columns) for row in rows
    }
    return [found[item] for item in ids]


class View(GraphQL[dict[str, Any], None]):
    async def get_context(self, request: Any, response: Any = None) -> dict[str, Any]:
        return {"datasets": DataLoader(load_fn=load_datasets)}


if __name__ == "__main__":
    uvicorn.run(View(strawberry.Schema(query=Query)), port=int(sys.argv[2]), log_level="warning")
