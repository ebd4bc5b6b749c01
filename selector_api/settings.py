"""Settings of the service: one class, read from the environment with the prefix SELECTOR_."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, RedisDsn, SecretStr, TypeAdapter, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from selector_api.store.redis_url import FORMS, RedisUrl

MEBIBYTE = 1 << 20
_LARGEST_BODY = 256 * MEBIBYTE


class Settings(BaseSettings):
    """How one process of the service runs. `SELECTOR_PORT=9000` sets `port`, and so on."""

    model_config = SettingsConfigDict(
        env_prefix="SELECTOR_", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on. Any but loopback needs at least one token."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes a free one."""
    announce: Path | None = None
    """A file that gets the service's address once it listens, for those who read SELECTOR_URL_FILE. If the service
    listens on all addresses, it is this machine's name."""
    data_dir: Path = Path("bots-data")
    """Where the embedded Valkey keeps its data, when there is no `redis_url`."""
    redis_url_file: Path | None = None
    """A file that holds `redis_url`, such as a mounted secret; not read if that is given."""
    redis_url: Annotated[SecretStr | None, Field(validate_default=True)] = None
    """redis://, rediss:// or unix:// address of a Redis >= 7.0 or Valkey >= 7.2; redis+cluster://host:port,host:port
    of a cluster; redis+sentinel://host:port,host:port/NAME of what sentinels watch over. None: an embedded one."""
    appendfsync: Literal["everysec", "always"] = "always"
    """When the embedded Valkey flushes to disk. "always" loses nothing acknowledged; "everysec" is faster and
    can lose the last second or two."""
    snapshot_every: Annotated[int, Field(ge=1)] = 512
    """Events between two snapshots of a run."""
    horizon_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30.0
    """Days for which a repeated call gets what the first one got. Of selections and keys that are older, and have
    ended, a run keeps that they were: such calls are refused (past-horizon). Its events of then are packed."""
    max_report_body_bytes: Annotated[int, Field(ge=1024, le=_LARGEST_BODY)] = 8 * MEBIBYTE
    """Largest body of POST /report."""
    max_tasks_body_bytes: Annotated[int, Field(ge=1024, le=_LARGEST_BODY)] = 32 * MEBIBYTE
    """Largest body of POST /pools/{pool}/tasks."""
    max_concurrent_requests: Annotated[int, Field(ge=1)] = 512
    """Requests at work at a time; more are told to come back (503). Probes are not counted."""
    require_token: bool = False
    """Whether calls need a token on loopback too: so that what empties Redis opens nothing."""
    drain_seconds: Annotated[float, Field(ge=0, le=300)] = 0.0
    """Seconds after SIGTERM in which /readyz already fails and calls are still served: as long as whoever sends
    calls here needs to notice."""
    rate_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Calls a second that each token may make at each process, with bursts of ten seconds' worth; none: no
    limit."""
    allowed_hosts: Annotated[tuple[str, ...] | None, NoDecode] = None
    """Names by which the service may be called (the Host header), separated by commas: `selector.example.org`,
    `*.example.org`, or `*` for any. IP addresses always pass. None: on loopback `localhost`, elsewhere any."""
    metrics_runs: Annotated[int, Field(ge=0, le=64)] = 20
    """Runs that /metrics shows, those used last. Each makes up to 15 series, with `rasch` 5 more and 2 for each
    reference, and 2 for each of its first 50 domains."""
    log_format: Literal["json", "console"] = "console"
    """How log lines are written."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is logged."""

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _hosts_are_separated_by_commas(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(name.strip() for name in value.split(","))
        if value is not None and not all(
            re.fullmatch(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*", name) for name in value
        ):
            raise ValueError(
                "give names without scheme and port, separated by commas: a.example.org,*.example.net"
            )
        return value

    @field_validator("redis_url", mode="before")
    @classmethod
    def _redis_url_from_its_file(cls, value: object, info: ValidationInfo) -> object:
        file: Path | None = info.data.get("redis_url_file")
        if value is not None or file is None:
            return value
        try:
            return file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the file {file} of redis_url_file cannot be read: {error}") from None

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = value.get_secret_value()
        if url.startswith("unix://"):
            if not url.startswith("unix:///"):
                raise ValueError("give a unix socket as unix:///absolute/path")
        elif RedisUrl.parse(url).kind == "server":
            try:
                TypeAdapter(RedisDsn).validate_python(url)
            except ValueError:
                raise ValueError(FORMS) from None
        return value

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which the service may be called."""
        if self.allowed_hosts is not None:
            return self.allowed_hosts
        return ("localhost",) if self.is_loopback else ("*",)

    @property
    def is_open_without_tokens(self) -> bool:
        """Whether anyone who reaches the service may call it while there is no token."""
        return self.is_loopback and not self.require_token

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
