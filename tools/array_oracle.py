#!/usr/bin/python3
"""numpy's side of array_test.cpp: `write DIR` puts arrays there for unrect to read, `check DIR` reads unrect's back."""
import sys
from pathlib import Path

import numpy as np

TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]


def values(code, shape):
    """0, 1, 2, … in C order; the test knows the same rule."""
    return (np.arange(np.prod(shape, dtype=int)) % (2 if code == "b1" else 100)).reshape(shape).astype(code)


def write(folder):
    for code in TYPES:
        for order in "<>":
            np.save(folder / f"{code}_{'little' if order == '<' else 'big'}.npy", values(code, (2, 3, 4)).astype(order + code))
        np.save(folder / f"{code}_fortran.npy", np.asfortranarray(values(code, (2, 3, 4))))
    for version in (1, 2, 3):
        with open(folder / f"version_{version}.npy", "wb") as f:
            np.lib.format.write_array(f, values("f8", (5,)), version=(version, 0))
    np.save(folder / "scalar.npy", np.float64(2.5))
    np.save(folder / "empty.npy", np.zeros((3, 0, 2)))
    np.save(folder / "object.npy", np.array([None, 1], dtype=object))
    np.save(folder / "complex.npy", np.array([1j]))
    np.save(folder / "structured.npy", np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]))
    arrays = {code: values(code, (2, 3, 4)) for code in TYPES}
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "deflated.npz", **arrays)
    np.savez(folder / "nothing.npz")


def check(folder):
    single = np.load(folder / "ours.npy")
    assert single.dtype == np.float64 and single.flags.c_contiguous, single.dtype
    np.testing.assert_array_equal(single, [[1.5, -2, 3e300], [0, 1, 2]])
    for name in ("ours.npz", "again.npz"):
        archive = np.load(folder / name)
        assert archive.files == ["bytes", "longs", "matrix", "scalar", "vector"], archive.files
        np.testing.assert_array_equal(archive["matrix"], single)
        np.testing.assert_array_equal(archive["vector"], np.arange(1000) * 0.5)
        np.testing.assert_array_equal(archive["longs"], np.array([-(2**63), 2**63 - 1]))
        np.testing.assert_array_equal(archive["bytes"], np.array([0, 255], dtype=np.uint8))
        assert archive["scalar"].shape == () and archive["scalar"] == 7
    assert (folder / "ours.npz").read_bytes() == (folder / "again.npz").read_bytes()


{"write": write, "check": check}[sys.argv[1]](Path(sys.argv[2]))
