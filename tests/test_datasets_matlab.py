"""MATLAB files: what scipy writes and what is put together by hand is read, everything else is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from musiclib.datasets.matlab import read_matlab

HEADER = b"MATLAB 5.0 MAT-file".ljust(124)


def saved(values, **options):
    sink = io.BytesIO()
    savemat(sink, values, **options)
    return sink.getvalue()


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_arrays_of_every_real_type_are_read_as_they_were_written(kind, compressed):
    rng = np.random.default_rng(7)
    values = {
        "a": rng.integers(0, 100, (3, 4)).astype(kind), "between": np.arange(5.0), "b": np.ones((1, 1), kind),
        "long_name_of_a_variable": rng.integers(0, 100, (2, 3, 4, 5)).astype(kind), "text": "words", "cell": [{}, {}],
    }  # fmt: skip
    names = ("a", "b", "long_name_of_a_variable")
    found = read_matlab(saved(values, do_compression=compressed), names)
    assert set(found) == set(names)
    for name in names:
        assert found[name].dtype == np.dtype(kind)
        assert np.array_equal(found[name], values[name])


def element(kind, data, order):
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def variable(name, shape, kind, stored, data, order="<", flags=0):
    parts = struct.pack(order + "II", kind | flags, 0), struct.pack(f"{order}{len(shape)}i", *shape), name.encode()
    body = element(6, parts[0], order) + element(5, parts[1], order) + element(1, parts[2], order)
    return element(14, body + element(stored, data, order), order)


def file(*variables, order="<", version=0x0100):
    mark = struct.pack(order + "H", version) + (b"IM" if order == "<" else b"MI")
    return HEADER + mark + b"".join(variables)


@pytest.mark.parametrize("order", "<>")
def test_both_orders_of_bytes_and_numbers_in_a_smaller_type_are_read(order):
    """Doubles that are stored as bytes, as MATLAB itself does it, and 16-bit numbers column by column."""
    content = file(
        variable("y", (2, 2), 6, 2, bytes([1, 2, 3, 250]), order),
        variable("X", (2, 3), 10, 3, struct.pack(order + "6h", 1, -2, 3, -4, 5, -600), order),
        order=order,
    )
    found = read_matlab(content, ("X", "y"))
    assert found["y"].dtype == np.float64
    assert found["y"].tolist() == [[1, 3], [2, 250]]
    assert found["X"].dtype == np.int16
    assert found["X"].tolist() == [[1, 3, 5], [-2, -4, -600]]
    if order == "<":
        theirs = loadmat(io.BytesIO(content))
        assert all(np.array_equal(found[name], theirs[name]) for name in ("X", "y"))


def packed(inner, announced=None):
    body = zlib.compress(inner if announced is None else struct.pack("<II", 14, announced) + inner[8:])
    return struct.pack("<II", 15, len(body)) + body


Y = variable("y", (1, 2), 9, 2, b"\1\2")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no MATLAB file of version 5"),
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "no MATLAB file of version 5"),
        (file(version=0x0200), r"version 2\.0; save it with -v7"),
        (file(), "lacks the variable 'y'"),
        (file(variable("x", (1, 2), 9, 2, b"\1\2")), "lacks the variable 'y'"),
        (file(Y[:-9]), "its end is missing"),
        (file(Y[:5]), "its end is missing"),
        (file(variable("y", (1, 3), 9, 2, b"\1\2")), r"2 bytes for an array of shape \(1, 3\)"),
        (file(variable("y", (-1, -2), 9, 2, b"\1\2")), "2 bytes for an array of shape"),
        (file(variable("y", (2,), 9, 2, b"\1\2")), "2 bytes for an array of shape"),
        (file(variable("y", (2**31 - 1,) * 4, 9, 2, b"\1\2")), "2 bytes for an array of shape"),
        (file(variable("y", (1, 2), 9, 4, b"\1\1\2\2")), "numbers that do not fit its type"),
        (file(variable("y", (1, 2), 8, 2, b"\1\xff")), "numbers that do not fit its type"),
        (file(variable("y", (1, 2), 9, 2, b"\1\2", flags=0x0800)), "no array of real numbers"),
        (file(variable("y", (1, 2), 4, 16, b"\1\2")), "no array of real numbers"),
        (file(variable("y", (1, 2), 1, 14, b"\1\2")), "no array of real numbers"),
        (file(element(14, b"", "<")), "without flags, sizes and name"),
        (file(packed(Y)[:-3]), "its end is missing"),
        (file(packed(Y, announced=len(Y))), "announces"),
        (file(packed(Y, announced=len(Y) - 16)), "announces"),
        (file(packed(Y, announced=2**32 - 1)), "announces"),
        (file(packed(Y)[:-1] + bytes([packed(Y)[-1] ^ 1])), "damaged packed variable"),
        (file(struct.pack("<II", 15, 6) + zlib.compress(b"")[:6]), "less than 8 bytes"),
        (file(struct.pack("<HH", 14, 9) + b"abcd"), "9 bytes in the place of 4"),
    ],
)
def test_everything_else_is_refused_in_one_line(content, words):
    with pytest.raises(ValueError, match=words) as raised:
        read_matlab(content, ("y",))
    assert str(raised.value).isprintable()


def test_a_packed_variable_is_read_and_held_against_its_sum():
    assert read_matlab(file(packed(Y)), ("y",))["y"].tolist() == [[1, 2]]
