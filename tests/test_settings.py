from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from selector_api.settings import Settings


def test_a_service_without_settings_is_for_this_machine_alone() -> None:
    settings = Settings()
    assert settings.is_loopback
    assert (settings.port, settings.redis_url, settings.appendfsync) == (8000, None, "always")


def test_the_environment_sets_what_is_named_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELECTOR_PORT", "0")
    monkeypatch.setenv("SELECTOR_MAX_REPORT_BODY_BYTES", "2048")
    monkeypatch.setenv("SELECTOR_ALLOWED_HOSTS", "selector, *.example.org")
    monkeypatch.setenv("SELECTOR_REDIS_URL", "rediss://user:secret@redis.example:6380/2")
    settings = Settings()
    assert (settings.port, settings.max_report_body_bytes) == (0, 2048)
    assert settings.hosts == ("selector", "*.example.org")
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value().startswith("rediss://user:secret@")
    assert "secret" not in repr(settings)


def test_the_address_of_redis_can_be_a_mounted_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "redis-url"
    monkeypatch.setenv("SELECTOR_REDIS_URL_FILE", str(secret))
    with pytest.raises(ValidationError, match=r"redis_url\n.*redis-url of redis_url_file cannot be read"):
        Settings()
    secret.write_text("redis://user:secret@redis:6379/0\n")
    url = Settings().redis_url
    assert url is not None
    assert url.get_secret_value() == "redis://user:secret@redis:6379/0"
    monkeypatch.setenv("SELECTOR_REDIS_URL", "redis://given:6379/0")
    given = Settings().redis_url
    assert given is not None
    assert given.get_secret_value() == "redis://given:6379/0"


def test_what_a_secret_holds_is_checked_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "redis-url"
    secret.write_text("user:secret@redis:6379")
    monkeypatch.setenv("SELECTOR_REDIS_URL_FILE", str(secret))
    with pytest.raises(ValidationError) as caught:
        Settings()
    (error,) = caught.value.errors()
    assert error["loc"] == ("redis_url",)
    assert "secret" not in error["msg"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HOST", "", "at least 1 character"),
        ("PORT", "70000", "65535"),
        ("PORT", "-1", "greater than or equal to 0"),
        ("PORT", "http", "integer"),
        ("REDIS_URL", "", "redis://"),
        ("REDIS_URL", "http://user:secret@host", "redis://"),
        ("REDIS_URL", "redis.example:6379", "redis://"),
        ("REDIS_URL", "unix://relative/socket", "unix:///absolute/path"),
        ("REDIS_URL", "unix://", "unix:///absolute/path"),
        ("REDIS_URL", "redis+cluster://user:secret@host/3", "one database"),
        ("REDIS_URL", "redis+sentinel://user:secret@host", "redis+sentinel://host:port,host:port/NAME"),
        ("APPENDFSYNC", "no", "'everysec' or 'always'"),
        ("SNAPSHOT_EVERY", "0", "greater than or equal to 1"),
        ("MAX_REPORT_BODY_BYTES", "0", "greater than or equal to 1024"),
        ("MAX_TASKS_BODY_BYTES", "1000000000000", "less than or equal to"),
        ("MAX_CONCURRENT_REQUESTS", "0", "greater than or equal to 1"),
        ("DRAIN_SECONDS", "-1", "greater than or equal to 0"),
        ("RATE_LIMIT", "0", "greater than 0"),
        ("RATE_LIMIT", "inf", "finite"),
        ("METRICS_RUNS", "65", "less than or equal to 64"),
        ("ALLOWED_HOSTS", "", "without scheme and port"),
        ("ALLOWED_HOSTS", "https://selector.example.org", "without scheme and port"),
        ("ALLOWED_HOSTS", "a.example.org:8000", "without scheme and port"),
        ("ALLOWED_HOSTS", "a.*.org", "without scheme and port"),
        ("LOG_FORMAT", "xml", "'json' or 'console'"),
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_what_is_wrong_or_unsafe_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"SELECTOR_{name}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    (error,) = caught.value.errors()
    assert error["loc"] == (name.lower(),)
    assert words in error["msg"]
    assert "secret" not in error["msg"]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_what_counts_as_this_machine(host: str, loopback: bool) -> None:
    assert Settings(host=host).is_loopback == loopback
