"""Settings of a source: typed beside its card; docs and `check` read the fields."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo


def web_address(value: str) -> str:
    """`value` without a closing slash. Raises ValueError unless it is a plain http(s) address with a host."""
    parts = urlsplit(value.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    if parts.username or parts.password:
        raise ValueError("must not carry a user name or password")
    return value.strip().rstrip("/")


def on_loopback(url: str) -> bool:
    """Whether an address is this very machine, as the sandbox's is."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


WebAddress = Annotated[str, AfterValidator(web_address)]


def _from_config(path: Path, info: ValidationInfo) -> Path:
    """Relative to the folder of config.toml. It need not exist yet."""
    folder = getattr(info.context, "folder", None)
    path = path.expanduser()
    return folder / path if isinstance(folder, Path) else path


FolderPath = Annotated[Path, AfterValidator(_from_config)]


class CommonSettings(BaseModel):
    """Fields every source has. A field typed SecretStr is a secret; faults never quote what was given."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

    every: timedelta | None = Field(
        None, title="Poll interval", description="Time between two polls; the platform's default if absent"
    )


class SourceSettings(CommonSettings):
    """Fields of every source that is reached by HTTP, which is nearly all of them."""

    api_base: WebAddress | None = Field(
        None, title="Address of the API", description="A server that speaks the same API; the vendor's own if absent"
    )
    proxy: SecretStr | None = Field(
        None, title="Proxy", description='http, https or socks5; that of [desk] if absent, "" for none'
    )
