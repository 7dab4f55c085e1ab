"""The files of a trained model in a folder of this machine: each gone on with where it broke off, and held against its checksum.

A file has its own name only once it is whole and verified; until then it is `NAME.part`, from which the next run goes on.
"""

import hashlib
import io
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast

from burnish.cli.client import Advance, Json
from burnish.cli.command import Cli
from burnish.cli.exits import ERROR, USAGE, ApiError, CliError
from burnish.cli.patience import Patience, patiently

SUMS = "SHA256SUMS"


class Source(NamedTuple):
    """What is fetched: a job's trained model, or one of its checkpoints, whole or with these weights alone."""

    job: str
    checkpoint: str | None
    weights: str | None

    def listing(self, cli: Cli) -> Json:
        route = f"checkpoints/{self.checkpoint}/download" if self.checkpoint else "model"
        return cli.api.get(f"/v1/training_jobs/{self.job}/{route}", weights=self.weights)


def download(cli: Cli, source: Source, folder: Path, *, force: bool) -> None:
    """Bring all files into the folder; those that are there already, and are the same, stay as they are."""
    files: list[Json] = patiently(lambda: source.listing(cli), cli.out.say)["files"]
    targets = [_target(folder, file["path"]) for file in files]
    try:
        fetched = sum(_bring(cli, source, file, target, force=force) for file, target in zip(files, targets, strict=True))
        known = {file["path"]: file["sha256"] for file in files if file["sha256"] is not None}
        if known:
            (folder / SUMS).write_text("".join(f"{sha256}  {path}\n" for path, sha256 in sorted(known.items())))
    except OSError as error:
        raise CliError(f"--output: {error.filename or folder}: {error.strerror}", ERROR) from None
    _tell(cli, folder, files, fetched)


def check_archive(path: Path) -> None:
    """Hold each file of a `.tar.gz` against the `SHA256SUMS` in it; CliError where one is another, or the archive broke off."""
    found: dict[str, str] = {}
    sums = b""
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None:
                    continue
                if member.name == SUMS:
                    sums = content.read()
                else:
                    found[member.name] = hashlib.file_digest(cast(io.BufferedReader, content), "sha256").hexdigest()
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CliError(f"The archive arrived damaged: {error}.", ERROR, hint="Try again.") from None
    for line in sums.decode().splitlines():
        sha256, _, name = line.partition("  ")
        if found.get(name) != sha256:
            raise CliError(f"The archive arrived damaged: {name} is not what was stored.", ERROR, hint="Try again.")


def _tell(cli: Cli, folder: Path, files: list[Json], fetched: int) -> None:
    size_bytes, verified = sum(file["size_bytes"] for file in files), sum(file["sha256"] is not None for file in files)
    if cli.out.as_json:
        about: dict[str, Any] = {"path": str(folder), "file_count": len(files), "size_bytes": size_bytes}
        cli.out.json({**about, "fetched": fetched, "verified": verified})
        return
    already = f", {len(files) - fetched} of them there already" if fetched < len(files) else ""
    cli.out.say(
        f"Saved {len(files)} files ({size_bytes / 1e6:.1f} MB) in {folder}{already}; {verified} verified by their sha256."
    )
    if verified < len(files):
        cli.out.say("The others were saved before checksums were kept: of them only the size is known.")


def _bring(cli: Cli, source: Source, file: Json, target: Path, *, force: bool) -> bool:
    """Fetch a file where it is not there yet; return whether it was fetched."""
    if target.exists():
        if _is_right(target, file):
            return False
        if not force:
            raise CliError(f"--output: {target} is there already, and is another file.", USAGE, hint="--force replaces it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.part")
    begun = draft.exists() and draft.stat().st_size > 0
    _fill(cli, source, file, draft)
    if begun and not _is_right(draft, file):
        # What an earlier run left was of another file.
        draft.unlink()
        _fill(cli, source, file, draft)
    if not _is_right(draft, file):
        draft.unlink()
        raise CliError(f"{file['path']} arrived damaged: its sha256 is not {file['sha256']}.", ERROR, hint="Try again.")
    draft.replace(target)
    return True


def _fill(cli: Cli, source: Source, file: Json, draft: Path) -> None:
    """Fetch what a draft still lacks, over broken connections and restarts of the platform."""
    patience, url, size = Patience(cli.out.say), file["url"], file["size_bytes"]
    with draft.open("ab") as out, cli.out.transfer(file["path"]) as start:
        if file["sha256"] is None or out.tell() > size:
            # Nothing would show that the rest is not of the same file.
            out.truncate(0)
            out.seek(0)
        advance = start(size)
        advance(out.tell())
        before = out.tell()

        def begin(_: int | None) -> Advance:
            patience.connected()
            return advance

        while out.tell() < size:
            try:
                cli.api.download(url, out, begin, go_on=True)
                return
            except ApiError as error:
                if error.error_code != "download_expired":
                    patience.wait(error)
            except CliError as error:
                if out.tell() > before:
                    patience.answered()
                before = out.tell()
                patience.wait(error)
            url = _fresh_url(cli, source, file)


def _fresh_url(cli: Cli, source: Source, file: Json) -> str:
    """Return a file's URL as it is now: the time of an earlier one may be over."""
    listed: list[Json] = patiently(lambda: source.listing(cli), cli.out.say)["files"]
    for one in listed:
        if one["path"] == file["path"] and one["sha256"] == file["sha256"]:
            return str(one["url"])
    raise CliError(f"{file['path']} is not what it was at the start: the model has changed.", ERROR, hint="Start again.")


def _is_right(path: Path, file: Json) -> bool:
    if path.stat().st_size != file["size_bytes"]:
        return False
    if file["sha256"] is None:
        return True
    with path.open("rb") as content:
        return bool(hashlib.file_digest(content, "sha256").hexdigest() == file["sha256"])


def _target(folder: Path, path: str) -> Path:
    """Return where a file goes; CliError where that is outside of the folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise CliError(f"The platform offers a file called {path}, which has no place in a folder.", ERROR)
    return folder.joinpath(*parts)
