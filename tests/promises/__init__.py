import pytest

# So that these tell what was got, as tests do.
for name in ("logs", "machine", "model", "pair", "relatives"):
    pytest.register_assert_rewrite(f"tests.promises.{name}")
