"""What a caller says of a source becomes a `Source`, with everything secret in one place, or an error that names the field."""

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from burnish.kit.errors import Invalid, SchemaInvalid
from engines.data.query import refusal_of
from engines.data.source import TYPES, Source

if TYPE_CHECKING:
    from resolvers.sources import SourceInput

BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
REPO = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
REGION = re.compile(r"[a-z0-9-]{2,40}")
SCHEMES = {
    "s3": ("s3",), "gs": ("gs",), "az": ("az",), "url": ("https", "http"),
    "postgres": ("postgres", "postgresql"), "mysql": ("mysql",),
}  # fmt: skip
PORTS = {"https": 443, "http": 80, "postgres": 5432, "postgresql": 5432, "mysql": 3306}
TLS_MODES = ("disable", "prefer", "require", "verify-full")
# What a credential is called here, by what callers call it; and which of them are no secrets.
NAMES = {
    "s3": {
        **dict.fromkeys(("aws_access_key_id", "access_key_id"), "access_key_id"),
        **dict.fromkeys(("aws_secret_access_key", "secret_access_key"), "secret_access_key"),
        **dict.fromkeys(("aws_session_token", "session_token"), "session_token"),
        **dict.fromkeys(("region", "region_name", "aws_region", "aws_default_region"), "region"),
        **dict.fromkeys(("endpoint_url", "aws_endpoint_url", "endpoint"), "endpoint_url"),
    },
    "gs": {"service_account_key": "service_account_key", "service_account_json": "service_account_key"},
    "az": {"account_name": "account_name", "account_key": "account_key", "sas_token": "sas_token"},
    "url": {"token": "token", "bearer_token": "token", "username": "username", "password": "password"},
    "hf": {"token": "token", "hf_token": "token"},
    "postgres": {"username": "username", "user": "username", "password": "password"},
    "mysql": {"username": "username", "user": "username", "password": "password"},
}
MAX_CREDENTIAL = 16_384
PLAIN = ("region", "endpoint_url", "account_name")
FIELDS = {
    "hf": ("huggingface_dataset",),
    **dict.fromkeys(("s3", "gs", "az", "url"), ("source_uri",)),
    **dict.fromkeys(("postgres", "mysql"), ("db_connection", "db_query")),
}
OPTIONAL = {"hf": ("huggingface_config",)}
ALL_FIELDS = ("huggingface_dataset", "huggingface_config", "source_uri", "db_connection", "db_query")


def check_type(source_type: Any) -> None:
    """Invalid (`source_type_unavailable`) for a type that this installation cannot fetch."""
    if isinstance(source_type, str) and source_type not in TYPES:
        message = f"This installation cannot fetch from '{source_type[:40]}'; it can from {', '.join(TYPES)}."
        raise Invalid(message, code="source_type_unavailable", param="source_type")


def described(spec: "SourceInput") -> Source:
    """Return the source that a caller means; SchemaInvalid or Invalid naming the field otherwise."""
    check_type(spec.source_type)
    _check_fields(spec)
    given = _credentials(spec)
    if spec.source_type == "hf":
        return _hub(spec, given)
    if spec.source_type in ("postgres", "mysql"):
        return _database(spec, given)
    parts = _split(spec.source_uri, "source_uri", SCHEMES[spec.source_type])
    return _url(spec, parts, given) if spec.source_type == "url" else _object(spec, parts, given)


def param_of(source: Source) -> str:
    """Return the field that says where a source is."""
    return FIELDS[source.type][0]


def address_of(source: Source) -> tuple[str, int] | None:
    """Return host and port that the caller chose; None where they are those of a well-known service."""
    where = source.options.get("endpoint_url") if source.type in ("s3", "gs", "az") else source.location
    if source.type == "hf" or where is None:
        return None
    parts = urlsplit(where)
    return parts.hostname or "", parts.port or PORTS[parts.scheme]


def _check_fields(spec: "SourceInput") -> None:
    needed = FIELDS[spec.source_type]
    for name in ALL_FIELDS:
        is_given = getattr(spec, name) is not None
        if name in needed and not is_given:
            raise SchemaInvalid(f"{name}: a source of type {spec.source_type} needs it", param=name)
        if is_given and name not in needed and name not in OPTIONAL.get(spec.source_type, ()):
            raise SchemaInvalid(f"{name}: a source of type {spec.source_type} has none", param=name)


def _mapping(spec: "SourceInput") -> dict[str, str]:
    config = spec.huggingface_config
    mapping = {**(config.column_mapping if config else {}), **spec.column_mapping}
    targets = list(mapping.values())
    if not all(name and name.isprintable() for name in (*mapping, *targets)):
        raise SchemaInvalid("column_mapping: a column's name is a text that can be printed", param="column_mapping")
    if len(set(targets)) < len(targets):
        raise Invalid("Two columns cannot be mapped to one name.", param="column_mapping")
    return mapping


def _credentials(spec: "SourceInput") -> dict[str, str]:
    """Return the credentials under our names for them; values are texts, a key of a service account also an object."""
    given: Mapping[str, Any] = spec.credentials or {}
    if spec.source_type == "gs" and "private_key" in given:
        given = {"service_account_key": dict(given)}
    names, found = NAMES[spec.source_type], dict[str, str]()
    for key, value in given.items():
        param = f"credentials.{key}"
        name = names.get(key.lower())
        if name is None:
            raise SchemaInvalid(f"credentials: '{key[:40]}' is not one of {', '.join(names)}", param="credentials")
        text = json.dumps(value) if name == "service_account_key" and isinstance(value, dict) else value
        if not isinstance(text, str) or not text or len(text) > MAX_CREDENTIAL or not _is_line(text, name):
            raise SchemaInvalid(f"{param}: a text that is not empty", param=param)
        found[name] = text
    return found


def _is_line(text: str, name: str) -> bool:
    """Whether a credential can be sent; the JSON of a service account may have several lines."""
    return "".join(text.split() if name == "service_account_key" else [text]).isprintable()


def _hub(spec: "SourceInput", given: dict[str, str]) -> Source:
    repo, config = spec.huggingface_dataset or "", spec.huggingface_config
    if not REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise Invalid(f"'{repo}' is not the name of a dataset, such as openai/gsm8k.", param="huggingface_dataset")
    if config is not None and config.token:
        given = {"token": config.token}
    return Source(
        type="hf",
        location=repo,
        split=config.split if config else "train",
        config_name=config.config_name if config else None,
        column_mapping=_mapping(spec),
        secrets=given,
    )


def _object(spec: "SourceInput", parts: SplitResult, given: dict[str, str]) -> Source:
    key = parts.path.lstrip("/")
    if not BUCKET.fullmatch(parts.netloc) or ".." in parts.netloc:
        raise Invalid(f"'{parts.netloc.rpartition('@')[2][:80]}' is not the name of a bucket.", param="source_uri")
    if parts.query or parts.fragment:
        raise Invalid("A URI of an object has no query and no fragment.", param="source_uri")
    if not key or key.endswith("/") or ".." in key.split("/"):
        raise Invalid(f"{parts.scheme}://{parts.netloc}/… must name one object.", param="source_uri")
    options = {name: given.pop(name) for name in PLAIN if name in given}
    _check_options(spec.source_type, options, given)
    location = f"{parts.scheme}://{parts.netloc}/{key}"
    return _made(spec, location, options, given)


def _check_options(source_type: str, options: dict[str, str], secrets: dict[str, str]) -> None:
    if "endpoint_url" in options:
        parts = _split(options["endpoint_url"], "credentials.endpoint_url", ("https", "http"))
        if parts.username or parts.password or parts.query or parts.fragment:
            raise Invalid("endpoint_url: only scheme, host, port and path.", param="credentials.endpoint_url")
    if not REGION.fullmatch(options.get("region", "us-east-1")):
        raise Invalid("region: a word such as eu-central-1.", param="credentials.region")
    if source_type == "s3" and secrets and not {"access_key_id", "secret_access_key"} <= secrets.keys():
        raise Invalid("A key of S3 has two parts: aws_access_key_id and aws_secret_access_key.", param="credentials")
    if source_type == "az" and not ACCOUNT.fullmatch(options.get("account_name", "")):
        raise Invalid("az:// needs the name of the storage account: credentials.account_name.", param="credentials.account_name")
    if source_type == "az" and len(secrets) > 1:
        raise Invalid("Give an account_key or a sas_token, not both.", param="credentials")
    if "service_account_key" in secrets and not _is_account(secrets["service_account_key"]):
        raise Invalid("service_account_key: the JSON that the cloud gave.", param="credentials.service_account_key")


def _is_account(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and "private_key" in found


def _url(spec: "SourceInput", parts: SplitResult, given: dict[str, str]) -> Source:
    secrets = {}
    # Whoever signs a URL puts the signature into its query; what is there is not stored, whatever it is.
    if parts.username or parts.password or parts.query:
        secrets["url"] = parts._replace(fragment="").geturl()
    if "token" in given:
        secrets["authorization"] = f"Bearer {given['token']}"
    elif given:
        if given.keys() != {"username", "password"}:
            raise Invalid("Give a token, or a username and a password.", param="credentials")
        secrets["authorization"] = f"Basic {_basic(given['username'], given['password'])}"
    location = f"{parts.scheme}://{_host(parts)}{parts.path or '/'}"
    return _made(spec, location, {}, secrets | _parts_of(given))


def _parts_of(given: dict[str, str]) -> dict[str, str]:
    """Return what must not show in a message either."""
    return {name: given[name] for name in ("password", "token") if name in given}


def _basic(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def _database(spec: "SourceInput", given: dict[str, str]) -> Source:
    parts = _split(spec.db_connection, "db_connection", SCHEMES[spec.source_type])
    if parts.fragment or "," in parts.netloc:
        raise Invalid("db_connection names one host, and has no fragment.", param="db_connection")
    options = _tls_option(parts.query)
    secrets = {}
    if parts.username:
        secrets["username"] = unquote(parts.username)
    if parts.password:
        secrets["password"] = unquote(parts.password)
    reason = refusal_of(spec.db_query or "")
    if reason is not None:
        raise Invalid(f"db_query: {reason}.", param="db_query")
    location = f"{parts.scheme}://{_host(parts)}{parts.path}"
    return _made(spec, location, options, {**secrets, **given}).model_copy(update={"query": spec.db_query})


def _tls_option(query: str) -> dict[str, str]:
    """Return the one option that is taken: others of a driver's would read files of this machine or connect elsewhere."""
    options = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name.lower() not in ("sslmode", "ssl-mode", "ssl_mode"):
            raise Invalid(f"db_connection: of options only sslmode is taken, not '{name[:40]}'.", param="db_connection")
        mode = {"required": "require", "disabled": "disable", "preferred": "prefer", "verify_identity": "verify-full"}.get(
            value.lower(), value.lower()
        )
        if mode not in TLS_MODES:
            raise Invalid(f"db_connection: sslmode is one of {', '.join(TLS_MODES)}.", param="db_connection")
        options["sslmode"] = mode
    return options


def _made(spec: "SourceInput", location: str, options: dict[str, str], secrets: dict[str, str]) -> Source:
    return Source.model_validate(
        {
            "type": spec.source_type,
            "location": location,
            "options": options,
            "column_mapping": _mapping(spec),
            "secrets": secrets,
        }
    )


def _split(text: str | None, param: str, schemes: tuple[str, ...]) -> SplitResult:
    """Take a URL apart; Invalid for another scheme, no host, or what no URL holds. It may be secret: no message quotes it."""
    whole = text or ""
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    if not whole.isprintable() or " " in whole or "\\" in whole:
        raise Invalid(f"{param}: not a URL.", param=param)
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError:
        raise Invalid(f"{param}: not a URL.", param=param) from None
    if parts.scheme not in schemes:
        raise Invalid(f"{param}: it begins with {wanted}", param=param)
    if not parts.hostname or port == 0:
        raise Invalid(f"{param}: it names no host.", param=param)
    return parts


def _host(parts: SplitResult) -> str:
    """Return host and port, without who connects."""
    return parts.netloc.rpartition("@")[2]
