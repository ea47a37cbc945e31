"""Pickled tables are read, and no pickle runs anything."""

from __future__ import annotations

import contextlib
import gzip
import os
import pickle
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pickle_files import (
    BY_PANDAS,
    FROM_ARRAY,
    ROW_BY_ROW,
    WRITTEN,
    by_pandas,
    dtype,
    index,
    made,
    mapped,
    name,
    names,
    pair,
    plain,
    table,
)

from lapose_core.drive import LogError
from lapose_core.logs.pickled_frame import read_pickled_columns

COLUMNS = {k: v.astype("i8") if k == "d" else v for k, v in WRITTEN.items()}


def read(tmp_path: Path, content: bytes, file: str = "00.pkl") -> dict[str, Any]:
    (tmp_path / file).write_bytes(content)
    return read_pickled_columns(tmp_path / file)


def refused(tmp_path: Path, content: bytes, file: str = "00.pkl") -> str:
    with pytest.raises(LogError) as caught:
        read(tmp_path, content, file)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < len(str(tmp_path)) + 300
    assert file in message
    return message


# -- what is read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", BY_PANDAS)
@pytest.mark.parametrize("file", ["00.pkl", "00.pkl.gz"])
def test_a_table_that_pandas_wrote(tmp_path: Path, version: str, file: str) -> None:
    content = by_pandas(version)
    found = read(tmp_path, gzip.compress(content) if file.endswith("gz") else content, file)
    assert list(found) == list(WRITTEN)
    for column, values in WRITTEN.items():
        np.testing.assert_array_equal(found[column], values)


@pytest.mark.parametrize("version", ROW_BY_ROW)
def test_a_table_that_was_one_array(tmp_path: Path, version: str) -> None:
    found = read(tmp_path, by_pandas(version, ROW_BY_ROW))
    for column, values in zip("xyz", FROM_ARRAY.T, strict=True):
        np.testing.assert_array_equal(found[column], values)


def test_a_table_in_the_layout_of_older_pandas(tmp_path: Path) -> None:
    columns = {"d": np.array([1, 0, 7]), "z": np.array([0.5, np.nan, -1e300]), "x": np.array([1.0, 2.0, 3.0])}
    found = read(tmp_path, table(columns))
    assert set(found) == set(columns)
    for column, values in columns.items():
        np.testing.assert_array_equal(found[column], values)
        assert found[column].dtype == values.dtype


def test_pandas_agrees_where_it_is_installed(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    for version in BY_PANDAS:
        (tmp_path / "00.pkl").write_bytes(by_pandas(version))
        frame = pandas.read_pickle(tmp_path / "00.pkl")
        assert {k: v.tolist() for k, v in read_pickled_columns(tmp_path / "00.pkl").items()} == frame.to_dict("list")


def test_reading_imports_nothing(tmp_path: Path) -> None:
    before = set(sys.modules)
    read(tmp_path, by_pandas("pandas 3.1.1, protocol 5"))
    assert not {m for m in set(sys.modules) - before if m.startswith(("pandas", "numpy"))}


# -- attacks ---------------------------------------------------------------------------------------------------


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def system(marker: Path) -> bytes:
    return pickle.dumps(Call(os.system, f"touch '{marker}'"), 4)


def evaluated(marker: Path) -> bytes:
    return pickle.dumps(Call(eval, f"open({str(marker)!r}, 'w')"), 4)


def executed(marker: Path) -> bytes:
    return pickle.dumps(Call(exec, f"open({str(marker)!r}, 'w')"), 2)


def getattr_chain(marker: Path) -> bytes:
    imported = made(name("builtins", "__import__"), plain("os") + b"\x85")
    found = made(name("builtins", "getattr"), imported + plain("system") + b"\x86")
    return b"\x80\x04" + made(found, plain(f"touch '{marker}'") + b"\x85") + b"."


def dotted(marker: Path) -> bytes:
    """An attribute with dots reaches the modules that a harmless one has imported."""
    function = plain("pathlib") + plain("os.system") + b"\x93"
    return b"\x80\x04" + made(function, plain(f"touch '{marker}'") + b"\x85") + b"."


def remembered(marker: Path) -> bytes:
    """The name is put together from the memo, so that it is nowhere in one piece."""
    function = plain("os") + b"\x94" + b"0" + plain("system") + b"\x940h\x00h\x01\x93"
    return b"\x80\x04" + made(function, plain(f"touch '{marker}'") + b"\x85") + b"."


def of_protocol_0(marker: Path) -> bytes:
    return f"cos\nsystem\n(Vtouch '{marker}'\ntR.".encode()


def instance(marker: Path) -> bytes:
    return f"(Vtouch '{marker}'\nios\nsystem\n.".encode()


def instance_of_object(marker: Path) -> bytes:
    return f"(cos\nsystem\nVtouch '{marker}'\no.".encode()


def numpy_load(marker: Path) -> bytes:
    """A numpy file whose objects are a pickle of their own."""
    inner = np.empty(1, object)
    inner[0] = Call(os.system, f"touch '{marker}'")
    np.save(marker.parent / "inner.npy", inner, allow_pickle=True)
    return pickle.dumps(Call(np.load, str(marker.parent / "inner.npy"), None, True), 4)


def numpy_testing(marker: Path) -> bytes:
    """A function of numpy that evaluates its argument."""
    return pickle.dumps(Call(np.testing.rundocs, str(source(marker))), 4)


def source(marker: Path) -> Path:
    script = marker.parent / "script.py"
    script.write_text(f"open({str(marker)!r}, 'w')\n")
    return script


def nested(marker: Path) -> bytes:
    return pickle.dumps(Call(pickle.loads, system(marker)), 4)


def in_a_table(marker: Path) -> bytes:
    attack = made(name("os", "system"), plain(f"touch '{marker}'") + b"\x85")
    return table(COLUMNS, attrs=attack)


def before_a_table(marker: Path) -> bytes:
    attack = made(name("os", "system"), plain(f"touch '{marker}'") + b"\x85")
    return b"\x80\x04" + attack + b"0" + table(COLUMNS)[2:]


def as_a_column_name(marker: Path) -> bytes:
    attack = made(name("os", "system"), plain(f"touch '{marker}'") + b"\x85")
    return table(COLUMNS).replace(plain(list(COLUMNS)), b"](" + attack + b"e", 1)


def as_a_state_setter(marker: Path) -> bytes:
    """Builds an object's own dictionary, which plain loading would let call what is put there."""
    return b"\x80\x04" + name("os", "environ") + mapped(LAPOSE_ATTACK=plain(str(marker))) + b"b."


RUNNING = (
    system,
    evaluated,
    executed,
    getattr_chain,
    dotted,
    remembered,
    of_protocol_0,
    instance,
    instance_of_object,
    numpy_load,
    nested,
)


@pytest.mark.parametrize(
    "attack", [*RUNNING, numpy_testing, in_a_table, before_a_table, as_a_column_name, as_a_state_setter]
)
def test_an_attack_is_refused_and_does_not_run(tmp_path: Path, attack: Any) -> None:
    marker = tmp_path / "marker"
    message = refused(tmp_path, gzip.compress(attack(marker)), "00.pkl.gz")
    assert not marker.exists()
    assert "which no table of numbers needs" in message
    assert message.endswith("get the file again") or "instruction" in message


@pytest.mark.parametrize("attack", RUNNING)
def test_the_attacks_are_real(tmp_path: Path, attack: Any) -> None:
    marker = tmp_path / "marker"
    content = attack(marker)
    with contextlib.suppress(Exception):
        pickle.loads(content)
    assert marker.exists()


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("pandas", "read_pickle"),
        ("pandas.io.pickle", "read_pickle"),
        ("pandas", "eval"),
        ("pandas.core.frame", "DataFrame.query"),
        ("pandas.core.frame", "DataFrame.__reduce__"),
        ("pandas.compat.pickle_compat", "load"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy", "ndarray.tofile"),
        ("numpy", "ndarray.dump"),
        ("numpy", "memmap"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy.lib.npyio", "load"),
        ("builtins", "getattr"),
        ("builtins", "open"),
        ("__builtin__", "eval"),
        ("subprocess", "Popen"),
        ("importlib", "import_module"),
        ("copyreg", "_reconstructor"),
        ("operator", "attrgetter"),
        ("functools", "partial"),
        ("lapose_core.logs.pickled_frame", "read_pickled_columns"),
        ("", ""),
    ],
)
def test_a_name_that_no_table_needs_is_refused(tmp_path: Path, module: str, attribute: str) -> None:
    for found in (name(module, attribute), plain(module) + plain(attribute) + b"\x93"):
        message = refused(tmp_path, table(COLUMNS, attrs=found))
        assert f"{module}.{attribute}" in message


def test_what_reaches_outside_the_file_is_refused(tmp_path: Path) -> None:
    for content in (b"Pid\n.", b"\x80\x04" + plain("id") + b"Q.", b"\x80\x02\x82\x01.", b"\x80\x05\x97."):
        assert "instruction" in refused(tmp_path, content)


@pytest.mark.timeout(60)
def test_a_small_file_does_not_fill_the_memory_or_take_for_ever(tmp_path: Path) -> None:
    refused(tmp_path, gzip.compress(bytes(65 << 20), 1), "00.pkl.gz")
    # A text, and a place in the memo, of lengths that nothing has.
    refused(tmp_path, b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x.")
    refused(tmp_path, b"\x80\x04Nr" + struct.pack("<I", (1 << 32) - 1) + b".")
    refused(tmp_path, b"\x80\x04" + b"]" * 100_000 + b".")
    doubled = b"\x80\x04K\x01" + b"\x94h\x00\x86" + b"".join(b"\x94h%c\x86" % i for i in range(1, 60))
    refused(tmp_path, doubled + b".")
    refused(tmp_path, b"\x80\x04}" + doubled[2:] + b"Ns.")  # as the key of a dictionary, which is hashed
    refused(tmp_path, b"\x80\x04" + doubled[2:] + plain("x") + b"\x93.")  # as a name, which is shown
    refused(tmp_path, table(COLUMNS).replace(plain((5, 4)), plain((1 << 40, 1 << 40))))


def test_an_array_that_refers_to_objects_is_no_column(tmp_path: Path) -> None:
    for code in ("O8", "V8", "M8[ns]", "U4", "S4", "f16", "c16", "(1000000000,)f8", "f8,O", "<f8"):
        content = table(COLUMNS).replace(plain(("f8", False, True)), plain((code, False, True)))
        refused(tmp_path, content)
    refused(tmp_path, table(COLUMNS).replace(dtype("i8"), dtype("i8", "=")))


# -- damage ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"\x80\x04.",
        b"\x80\x04N.",
        b"not a pickle at all",
        b"\x1f\x8b",
        b"\x1f\x8b\x08\x00 half a gzip",
        plain([1, 2, 3]) + b".",
        b"\x80\x04(((t.",
        b"\x80\x04" + names(["x"]) + b".",
        b"\x80\x04" + pair(plain(1), plain(2)) + b"b.",
        b"\x80\x04" + index(plain("x")) + b".",
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "get the file again" in refused(tmp_path, content)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    whole = table(COLUMNS)
    zipped = gzip.compress(whole)
    for part in (0.1, 0.5, 0.99):
        refused(tmp_path, whole[: int(len(whole) * part)])
        refused(tmp_path, zipped[: int(len(zipped) * part)], "00.pkl.gz")
    refused(tmp_path, zipped[:-9] + b"\0" * 9, "00.pkl.gz")
    with pytest.raises(LogError, match=r"none\.pkl: cannot be read"):
        read_pickled_columns(tmp_path / "none.pkl")


def test_columns_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    whole = table(COLUMNS)
    refused(tmp_path, whole.replace(plain(list(COLUMNS)), plain([*COLUMNS, "more"])))
    refused(tmp_path, whole.replace(plain(list(COLUMNS)), plain(list(COLUMNS)[1:])))
    refused(tmp_path, whole.replace(plain(list(COLUMNS)), plain([1, 2, 3, 4, 5, 6])))
    refused(tmp_path, whole.replace(plain((5, 4)), plain((4, 5))))
    refused(tmp_path, whole.replace(plain((5, 4)), plain((-5, -4))))
    refused(tmp_path, whole.replace(plain((5, 4)), plain((20,))))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_table_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(by_pandas(data.draw(st.sampled_from(sorted(BY_PANDAS)))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    (tmp_path / "00.pkl").write_bytes(content)
    try:
        found = read_pickled_columns(tmp_path / "00.pkl")
    except LogError:
        return
    assert len({len(column) for column in found.values()}) <= 1
