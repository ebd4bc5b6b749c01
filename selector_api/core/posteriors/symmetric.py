"""Small symmetric matrices, many at once, in plain sums: the same bits wherever BLAS and LAPACK would differ."""

from __future__ import annotations

import numpy as np

from selector_api.core.arrays import FloatArray


def inverse(matrices: FloatArray) -> FloatArray:
    """Inverses of positive definite matrices, shape [..., d, d], by sweeping one pivot after the other."""
    swept = matrices.copy()
    for i in range(matrices.shape[-1]):
        pivot = swept[..., i, i].copy()
        row = swept[..., i, :] / pivot[..., None]
        column = swept[..., :, i].copy()
        swept -= column[..., :, None] * row[..., None, :]
        swept[..., i, :] = row
        swept[..., :, i] = -column / pivot[..., None]
        swept[..., i, i] = 1.0 / pivot
    return (swept + np.swapaxes(swept, -1, -2)) / 2.0


def times(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Products of matrices [..., d, e] with vectors [..., e]."""
    return (matrices * vectors[..., None, :]).sum(axis=-1)


def times_each(matrix: FloatArray, vectors: FloatArray) -> FloatArray:
    """Products of one matrix [d, e] with many vectors [..., e], without a copy of it for each."""
    return np.stack([(vectors * row).sum(axis=-1) for row in matrix], axis=-1)


def quadratic(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """vᵀMv of matrices [..., d, d] and vectors [..., d]."""
    return (times(matrices, vectors) * vectors).sum(axis=-1)
