import json
import math

import numpy as np
import pytest

from selector_api.store.chunks import decode_chunk
from selector_api.store.codec import (
    Outcome,
    decode_events,
    decode_snapshot,
    dumps,
    encode_snapshot,
    event_fields,
    numbered_line,
)
from selector_api.store.errors import UnreadableData

HEADER = {"config": {"pool": "p"}, "step": 3, "capability": [[0, 0.1]]}
ARRAYS = {
    "posterior.alpha": np.array([0.1, math.nan, math.inf, -0.0]),
    "header": np.arange(6, dtype=np.int32).reshape(2, 3),
    "step": np.array(3),
    "empty": np.empty((0, 2), np.int64),
}


def test_equal_values_give_equal_json_whatever_their_order() -> None:
    assert dumps({"b": 1, "a": [0.1]}) == dumps({"a": [0.1], "b": 1}) == '{"a":[0.1],"b":1}'


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Outcome("a", math.nan, 1).to_text()


def test_event_fields_become_an_event_between_braces() -> None:
    fields = {"tasks": ["a}", "ü"], "step": 1}
    assert json.loads("{" + event_fields(fields) + "}") == fields


def test_a_line_of_ndjson_begins_with_the_seq_of_its_event() -> None:
    line = b'{"type":"created","at":1}'
    (event,) = decode_events([line])
    assert event == {"type": "created", "at": 1}
    assert json.loads(numbered_line(line, 7)) == {"seq": 7, **event}


def test_a_snapshot_comes_back_bit_for_bit() -> None:
    header, arrays = decode_snapshot(encode_snapshot(HEADER, ARRAYS))
    assert header == HEADER
    assert {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()} == {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in ARRAYS.items()
    }


def test_objects_do_not_enter_a_snapshot() -> None:
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        encode_snapshot({}, {"a": np.array([{}])})


def test_a_damaged_snapshot_is_refused() -> None:
    data = encode_snapshot(HEADER, ARRAYS)
    for damaged in (b"", data[:100], data[:-30], data[:100] + b"\xff\xfe" + data[102:], data[:16]):
        with pytest.raises(UnreadableData):
            decode_snapshot(damaged)


@pytest.mark.parametrize("decode", [decode_snapshot, decode_chunk])
def test_a_later_version_is_refused_by_name(decode) -> None:
    with pytest.raises(UnreadableData, match=r"'bots-thing 3' is not known here.*later one"):
        decode(b"bots-thing 3\n....")


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome("a", 1.0, 2), "1,2"),
        (Outcome("a", 0.5, 2, True), "0.5,2"),
        (Outcome("a", 0.0, 2, False), "0,2"),
        (Outcome("a", 2.0, 2, False), "2,2"),
        (Outcome("a", 1.0, 2, False), '1,2,{"informative":false}'),
        (Outcome("a", 2.0, 2, True), '2,2,{"informative":true}'),
        (Outcome("a", 0.0, 2, True, 7), '0,2,{"informative":true,"policy_version":7}'),
        (Outcome("a", 1.0, 2, None, 0), '1,2,{"policy_version":0}'),
    ],
)
def test_an_outcome_tells_what_does_not_follow_from_its_counts(outcome: Outcome, text: str) -> None:
    assert outcome.to_text() == text


def test_a_snapshot_names_its_format() -> None:
    assert encode_snapshot(HEADER, ARRAYS).startswith(b"bots-snapshot 3\n")
