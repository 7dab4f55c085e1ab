"""What users read agrees with what there is."""

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from burnish.kit.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_setting_is_in_the_table_with_its_description() -> None:
    rows = dict(re.findall(r"^\| `(BURNISH_[A-Z0-9_]+)` \|[^|]*\| (.*) \|$", (ROOT / "docs" / "settings.md").read_text(), re.M))
    assert rows == {f"BURNISH_{name.upper()}": field.description for name, field in Settings.model_fields.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(("page", "count"), [("README.md", 2), ("docs/graphql.md", 5)])
def test_every_graphql_document_of_a_page_is_valid(page: str, count: int) -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text())
    text = (ROOT / page).read_text()
    documents = re.findall(r"```graphql\n(.*?)```", text, re.S) + re.findall(r'"query": "(.*?)"', text)
    assert len(documents) == count
    assert [validate(schema, parse(document)) for document in documents] == [[]] * count
