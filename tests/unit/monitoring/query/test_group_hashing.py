"""Combinations named by their hashes."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise.monitoring.query.look.group_hashing import HashCollisionError, hash_sql, named

ONE, TWO = np.array([2**63 + 5, 7], dtype=np.uint64), np.array([11, 2**64 - 1], dtype=np.uint64)


def test_a_hash_names_the_values_it_was_made_of_modulo_2_to_the_64():
    hashes = np.array([(int(a) * 3 + int(b)) % 2**64 for a in ONE for b in TWO], dtype=np.uint64)
    found = named(hashes, [["a", "b"], ["x", "y"]], [ONE, TWO])
    assert found == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def test_three_values():
    three = np.array([4], dtype=np.uint64)
    hashes = np.array([((7 * 3 + 11) * 3 + 4) % 2**64], dtype=np.uint64)
    assert named(hashes, [["a", "b"], ["x", "y"], ["z"]], [ONE, TWO, three]) == [("b", "x", "z")]
    assert hash_sql([0, 2, 5]) == "((tierwise_h0) * 3 + tierwise_h2) * 3 + tierwise_h5"


def test_one_hash_of_two_combinations_is_told_and_never_guessed():
    same = np.array([0, 1], dtype=np.uint64), np.array([3, 0], dtype=np.uint64)  # 0·3 + 3 = 1·3 + 0
    with pytest.raises(HashCollisionError):
        named(np.array([3], dtype=np.uint64), [["a", "b"], ["x", "y"]], list(same))


def test_a_hash_of_none_is_told():
    with pytest.raises(HashCollisionError):
        named(np.array([123456789], dtype=np.uint64), [["a", "b"], ["x", "y"]], [ONE, TWO])
