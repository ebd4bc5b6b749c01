from selector_api.store.recent import Recent


def test_what_was_not_used_for_longest_is_dropped() -> None:
    recent: Recent[int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(name) for name in "abc"] == [1, None, 3]
    recent.drop("a")
    assert list(recent) == [3]
