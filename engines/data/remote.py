"""Files elsewhere, read as streams or in parts: over HTTP and in the object stores of three clouds, all through the tunnel."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import httpx2
import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from burnish.kit.network import Refused, Unresolved
from engines.data.source import Source, SourceError
from engines.data.tunnel import Tunnel

TIMEOUT_S = 30.0
MAX_REDIRECTS = 3
PIECE = 2**20
BLOCK = 2**20
BLOCKS_KEPT = 32


class Remote(Protocol):
    """A file elsewhere. `name` tells its format; `size` is None where it cannot be read in parts."""

    name: str

    def size(self) -> int | None: ...

    def stream(self) -> Iterator[bytes]: ...

    def part(self, start: int, end: int) -> bytes: ...


class HttpFile:
    """A file behind a URL. A redirect to another host goes without `headers`; `trusted` is a URL of the operator's own hub."""

    def __init__(self, tunnel: Tunnel, url: str, headers: Mapping[str, str] | None = None, trusted: str | None = None) -> None:
        self._tunnel = tunnel
        self._url = url
        self._headers = dict(headers or {})
        self._trusted = trusted
        self.name = urlsplit(url).path.rpartition("/")[2]

    def size(self) -> int | None:
        with self._opened({"Range": "bytes=0-0"}) as response:
            total = response.headers.get("content-range", "").rpartition("/")[2]
            return int(total) if response.status_code == httpx2.codes.PARTIAL_CONTENT and total.isdecimal() else None

    def stream(self) -> Iterator[bytes]:
        with self._opened({}) as response:
            try:
                # As it was sent: what is compressed on the way counts as what it is.
                yield from response.iter_raw(PIECE)
            except httpx2.HTTPError as error:
                raise self._unreachable(error) from None

    def part(self, start: int, end: int) -> bytes:
        with self._opened({"Range": f"bytes={start}-{end - 1}"}) as response:
            if response.status_code != httpx2.codes.PARTIAL_CONTENT:
                raise SourceError("source_unreachable", f"{self._host} does not give parts of a file.")
            data = b""
            for piece in response.iter_raw(PIECE):
                data += piece
                if len(data) >= end - start:
                    break
            return data[: end - start]

    @property
    def _host(self) -> str:
        return urlsplit(self._url).netloc.rpartition("@")[2]

    @contextmanager
    def _opened(self, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        # HTTP/1.1 and no cookies: a request knows of nothing but itself.
        proxied = None if self._is_trusted(self._url) else self._tunnel.url
        with httpx2.Client(proxy=proxied, timeout=TIMEOUT_S, trust_env=proxied is None) as client:
            url, own = self._url, self._headers
            for _ in range(MAX_REDIRECTS + 1):
                if proxied is None and not self._is_trusted(url):
                    with self._elsewhere(url)._opened(headers) as response:
                        yield response
                    return
                try:
                    request = client.build_request("GET", url, headers={"Accept-Encoding": "identity", **own, **headers})
                    response = client.send(request, stream=True)
                except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                    raise self._unreachable(error) from None
                try:
                    if not response.is_redirect:
                        self._check(response)
                        yield response
                        return
                    target = self._target(url, response)
                    own = own if _origin(target) == _origin(url) else {}
                    url = target
                finally:
                    response.close()
        raise SourceError("source_unreachable", f"{self._host} redirects more than {MAX_REDIRECTS} times.")

    def _elsewhere(self, url: str) -> "HttpFile":
        return HttpFile(self._tunnel, url)

    def _is_trusted(self, url: str) -> bool:
        """Whether a URL leads to the operator's own hub, which may lie anywhere and behind the operator's proxy."""
        return self._trusted is not None and _origin(url) == _origin(self._trusted)

    def _target(self, url: str, response: httpx2.Response) -> str:
        try:
            target = urljoin(url, response.headers.get("location", ""))
            scheme = urlsplit(target).scheme
        except ValueError:
            raise SourceError("source_unreachable", f"{self._host} redirects to what is no URL.") from None
        if scheme not in ("https", "http") or (scheme == "http" and url.startswith("https:")):
            raise SourceError("source_unreachable", f"{self._host} redirects to what is not https.")
        return target

    def _check(self, response: httpx2.Response) -> None:
        status = response.status_code
        if self._tunnel.trouble is not None and status in (403, 502):
            raise self._unreachable(self._tunnel.trouble)
        if status in (401, 403):
            raise SourceError("source_denied", f"{self._host} answers HTTP {status}: it wants a credential, or another one.")
        if status in (404, 410):
            raise SourceError("source_not_found", f"{self._host} answers HTTP {status}: there is no such file.")
        if not response.is_success:
            raise SourceError("source_unreachable", f"{self._host} answers HTTP {status}.")

    def _unreachable(self, error: Exception) -> SourceError:
        return trouble(self._tunnel, error, self._host)


class StoreFile:
    """An object in a bucket."""

    def __init__(self, tunnel: Tunnel, source: Source) -> None:
        self._tunnel = tunnel
        parts = urlsplit(source.location)
        self._where = source.location
        self._path = parts.path.lstrip("/")
        self.name = self._path.rpartition("/")[2]
        try:
            self._store = _store(source, parts.netloc, tunnel)
        except (BaseError, ValueError) as error:
            raise SourceError("source_denied", source.scrub(f"The credentials cannot be used: {_first_line(error)}")) from None

    def size(self) -> int | None:
        return int(self._call(lambda: obstore.head(self._store, self._path))["size"])

    def stream(self) -> Iterator[bytes]:
        found = self._call(lambda: obstore.get(self._store, self._path).stream(min_chunk_size=PIECE))
        chunks = iter(found)
        while (chunk := self._call(lambda: next(chunks, None))) is not None:
            yield bytes(chunk)

    def part(self, start: int, end: int) -> bytes:
        return bytes(self._call(lambda: obstore.get_range(self._store, self._path, start=start, end=end)))

    def _call(self, action: Any) -> Any:
        try:
            return action()
        except (BaseError, OSError) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> SourceError:
        if self._tunnel.trouble is not None:
            return trouble(self._tunnel, error, self._where)
        if isinstance(error, (NotFoundError, FileNotFoundError)):
            return SourceError("source_not_found", f"There is no {self._where}.")
        if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or "401" in str(error) or "403" in str(error):
            return SourceError("source_denied", f"{self._where} wants a credential, or another one.")
        return trouble(self._tunnel, error, self._where)


def trouble(tunnel: Tunnel, error: Exception, where: str) -> SourceError:
    """Return why a connection failed, as the tunnel knows it, without what a library says of it, which may quote secrets."""
    cause = tunnel.trouble or error
    if isinstance(cause, Refused):
        return SourceError("address_refused", f"{where} is not reached from here: {cause}.")
    if isinstance(cause, Unresolved):
        return SourceError("source_unreachable", f"{where} cannot be reached: {cause}.")
    kind = "it did not answer in time" if isinstance(cause, (TimeoutError, httpx2.TimeoutException)) else type(cause).__name__
    return SourceError("source_unreachable", f"{where} cannot be reached: {kind}.")


class RangedFile(io.RawIOBase):
    """A file elsewhere as one that can be sought in, read in blocks; the last few are kept."""

    def __init__(self, remote: Remote, size: int) -> None:
        self._remote = remote
        self._size = size
        self._at = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        number, start = divmod(self._at, BLOCK)
        data = self._block(number)[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) >= BLOCKS_KEPT:
                self._blocks.pop(next(iter(self._blocks)))
            start, end = number * BLOCK, min((number + 1) * BLOCK, self._size)
            self._blocks[number] = self._remote.part(start, end) if start < end else b""
        return self._blocks[number]


def _store(source: Source, bucket: str, tunnel: Tunnel) -> ObjectStore:
    given, options = source.secrets, source.options
    client: Any = {"proxy_url": tunnel.url, "allow_http": True, "timeout": "1h", "read_timeout": "60s"}
    retry: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}
    common: dict[str, Any] = {"client_options": client, "retry_config": retry}
    if source.type == "s3":
        common |= {"region": options.get("region", "us-east-1")}
        common |= {"endpoint": options["endpoint_url"]} if "endpoint_url" in options else {}
        if not given:
            return S3Store(bucket, skip_signature=True, **common)
        common |= {"access_key_id": given["access_key_id"], "secret_access_key": given["secret_access_key"]}
        common |= {"token": given["session_token"]} if "session_token" in given else {}
        return S3Store(bucket, **common)
    if source.type == "gs":
        if not given:
            return GCSStore(bucket, skip_signature=True, **common)
        return GCSStore(bucket, service_account_key=json.dumps(json.loads(given["service_account_key"])), **common)
    common |= {"account_name": options["account_name"]}
    common |= {"endpoint": options["endpoint_url"]} if "endpoint_url" in options else {}
    if "account_key" in given:
        return AzureStore(bucket, account_key=given["account_key"], **common)
    if "sas_token" in given:
        return AzureStore(bucket, sas_key=given["sas_token"].removeprefix("?"), **common)
    return AzureStore(bucket, skip_signature=True, **common)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
