from selector_api.store.lru import Lru


def test_what_was_not_used_for_longest_is_dropped() -> None:
    recent: Lru[int] = Lru(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(name) for name in "abc"] == [1, None, 3]
    recent.drop("a")
    assert list(recent) == [3]


def test_to_look_at_the_newest_is_no_use_of_them() -> None:
    recent: Lru[int] = Lru(3)
    for number, name in enumerate("abc"):
        recent.put(name, number)
    assert recent.get("a") == 0
    assert recent.newest(2) == [("a", 0), ("c", 2)]
    assert recent.newest(0) == []
    recent.put("d", 3)
    assert recent.newest(9) == [("d", 3), ("a", 0), ("c", 2)]
    assert len(recent) == 3
