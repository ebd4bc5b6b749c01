import pickle

import pytest

from trainer_client import BatchTooLarge, Conflict, SelectorError, SelectorUnavailable, errors

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ApiError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_api_error_survives_pickling_between_processes(kind: type[errors.ApiError]):
    error = kind(409, "some-code", "Something is wrong.", "request-1", {"available": 3})
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert vars(copy) == vars(error)
    assert str(copy) == str(error) == "Something is wrong. (some-code, HTTP 409, request request-1)"


def test_unavailability_survives_pickling_between_processes():
    copy = pickle.loads(pickle.dumps(SelectorUnavailable("no answer", 503)))
    assert (str(copy), copy.status) == ("no answer", 503)


def test_every_error_is_a_selector_error():
    assert all(issubclass(kind, SelectorError) for kind in [*KINDS, SelectorUnavailable])


def test_a_batch_too_large_is_a_conflict_that_says_what_is_available():
    error = BatchTooLarge(409, "batch-too-large", "Too many.", extensions={"available": 3})
    assert isinstance(error, Conflict)
    assert error.available == 3
