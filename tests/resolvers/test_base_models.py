from pathlib import Path

import pytest

from burnish.kit.core import Core
from burnish.kit.errors import Conflict, Invalid
from resolvers import base_models

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"")
    return made


async def test_a_folder_is_registered_under_a_name_once(core: Core, folder: Path) -> None:
    for _ in range(2):
        row = await base_models.add(core, "tiny", folder / ".." / "model")
        assert (row.name, row.path) == ("tiny", str(folder))
    assert [row.name for row in await base_models.all_(core)] == ["tiny"]
    async with core.db.read() as session:
        assert (await base_models.find(session, "tiny") or row).path == str(folder)
        assert await base_models.find(session, str(folder)) is None


async def test_a_name_stands_for_one_folder(core: Core, folder: Path, tmp_path: Path) -> None:
    await base_models.add(core, "tiny", folder)
    other = folder.rename(tmp_path / "other")
    with pytest.raises(Conflict):
        await base_models.add(core, "tiny", other)
    assert [row.path for row in await base_models.all_(core)] == [str(folder)]


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
async def test_a_folder_without_a_safe_model_is_refused(core: Core, folder: Path, missing: str) -> None:
    (folder / missing).rename(folder / "pytorch_model.bin")
    with pytest.raises(Invalid, match=r"config\.json and \*\.safetensors are needed"):
        await base_models.add(core, "tiny", folder)
    assert await base_models.all_(core) == []


async def test_a_pipeline_of_diffusers_is_registered_where_its_transformer_is_safe(core: Core, tmp_path: Path) -> None:
    folder = tmp_path / "pipeline"
    (folder / "transformer").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    weights = folder / "transformer" / "diffusion_pytorch_model.bin"
    weights.write_bytes(b"")
    with pytest.raises(Invalid, match="holds no model"):
        await base_models.add(core, "clips", folder)
    weights.rename(weights.with_suffix(".safetensors"))
    assert (await base_models.add(core, "clips", folder)).path == str(folder)


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "-a", "a b", "a" * 97, "a\n"])
async def test_a_name_that_is_none_is_refused(core: Core, folder: Path, name: str) -> None:
    with pytest.raises(Invalid):
        await base_models.add(core, name, folder)
    assert await base_models.all_(core) == []
