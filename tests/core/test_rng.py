from __future__ import annotations

import numpy as np

from selector_api.core.rng import generator


def test_a_selection_has_its_own_numbers_again_and_again():
    assert generator(7, 3).random(5).tolist() == generator(7, 3).random(5).tolist()


def test_seed_and_number_both_matter():
    keys = [(0, 1), (0, 2), (1, 0), (1, 1), (2, 1), (2**63 - 1, 1), (2**63 - 1, 2)]
    starts = {tuple(generator(*key).integers(0, 2**63, 4).tolist()) for key in keys}
    assert len(starts) == len(keys)


def test_the_bit_stream_of_a_key_is_the_one_that_logs_were_written_with():
    # Philox-4x64-10, counter 0 onwards, key (seed, number).
    expected = np.random.Philox(key=(5 << 64) | 9).random_raw(3)
    np.testing.assert_array_equal(generator(9, 5).bit_generator.random_raw(3), expected)
