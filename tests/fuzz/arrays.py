"""Generate damaged and malicious array files: npy, npz, safetensors, pickles."""

import io
import json
import pickle
import struct
import warnings
import zipfile

import numpy as np

from .mutate import mutate_bytes, mutate_json

PLANTED = "planted"  # the folder that an opened pickle creates; see runner.py
_DTYPES = (
    "?",
    "i1",
    "<i2",
    "<i4",
    "<i8",
    ">i4",
    "<u8",
    "<f2",
    "<f4",
    "<f8",
    "<c8",
    "S3",
    "<U2",
    "V0",
    "<M8[s]",
)
_SIZES = (0, 1, 2, 3, 1000, 10**6, 10**9, 2**31, 2**40, 2**62, 2**63, 2**64, -1)


class Planted:
    """Creates a folder when it is unpickled."""

    def __reduce__(self):
        return (exec, (f"import os; os.makedirs({PLANTED!r}, exist_ok=True)",))


def pickled_npy():
    """Return an array of objects; reading it runs code."""
    return npy_bytes(np.array([Planted()], object), allow_pickle=True)


def npy_bytes(array, *, allow_pickle=False):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=allow_pickle)
    return file.getvalue()


def lying_npy(rng):
    """Return a header whose shape and type do not match the bytes after it."""
    shape = tuple(rng.choice(_SIZES) for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 40))))
    described = {"descr": rng.choice(_DTYPES), "fortran_order": rng.random() < 0.2, "shape": shape}
    header = (
        repr(described)
        if rng.random() < 0.8
        else rng.choice(("{", "(" * 300, "1" * 9000, "__import__('os')"))
    )
    header = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(rng.choice((0, 8, 800)))


def change_array(array, rng):
    """Return a different array: with other values, type, length or number of axes."""
    array = np.array(array)
    how = rng.randrange(7)
    if how <= 2 and array.size and array.dtype.kind in "iuf":
        flat = array.reshape(-1).copy()
        with np.errstate(over="ignore"):  # float16 cannot hold the largest numbers
            flat[rng.randrange(flat.size)] = _number(flat.dtype, rng)
        return flat.reshape(array.shape)
    if how == 3:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return array.astype(rng.choice(_DTYPES))
            except (ValueError, TypeError, RuntimeError):  # RuntimeError: a text is too short for a date
                return array
    if how == 4:
        return array[: rng.randrange(len(array) + 1)] if array.ndim else array[None]
    if how == 5:
        return np.concatenate([array, array]) if array.ndim else np.array([array, array])
    return array.reshape(-1, 1) if rng.random() < 0.5 else array.ravel()


def _number(dtype, rng):
    if dtype.kind == "f":
        return rng.choice((np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-45, 3e38))
    limits = np.iinfo(dtype)
    return rng.choice((limits.min, limits.max, limits.max - 1, 0, 1, 2, 7, max(-1, limits.min)))


def npz_bytes(members, rng=None):
    """Zip arrays, and bytes unchanged."""
    file = io.BytesIO()
    how = zipfile.ZIP_STORED if rng is None or rng.random() < 0.5 else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, member in members.items():
            archive.writestr(name, member if isinstance(member, bytes) else npy_bytes(member))
    return file.getvalue()


def mutate_npz(arrays, rng):
    """Change the arrays of an npz file, their headers, or its bytes."""
    members = {f"{name}.npy": array for name, array in arrays.items()}
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(list(members))
        how = rng.random()
        if how < 0.5:
            members[name] = change_array(members[name], rng) if not isinstance(members[name], bytes) else b""
        elif how < 0.6:
            members[name] = lying_npy(rng)
        elif how < 0.65:
            members[name] = pickled_npy()
        elif how < 0.75:
            members[name] = members[rng.choice(list(members))]
        elif how < 0.85 and len(members) > 1:
            del members[name]
        elif how < 0.9:
            members[rng.choice(("pickle.npy", "../x.npy", "x", "_is_array.npy", "coords.npy"))] = members[
                name
            ]
    content = npz_bytes(members, rng)
    return mutate_bytes(content, rng, content) if rng.random() < 0.3 else content


def mutate_safetensors(content, rng):
    """Change the header or the bytes of a safetensors file."""
    if rng.random() < 0.3:
        return mutate_bytes(content, rng, content)
    (size,) = struct.unpack("<Q", content[:8])
    header = mutate_json(content[8 : 8 + size], rng)
    length = len(header) if rng.random() < 0.9 else rng.choice((0, 1, 2**31, 2**63, 2**64 - 1))
    return struct.pack("<Q", length) + header + content[8 + size :]


def set_tensor(content, rng):
    """Change a value in the arrays of a safetensors file and keep the file valid."""
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    name = rng.choice([name for name in header if name != "__metadata__"])
    start, end = (8 + size + offset for offset in header[name]["data_offsets"])
    dtype = {"F32": "<f4", "I32": "<i4", "I64": "<i8"}[header[name]["dtype"]]
    array = np.frombuffer(content[start:end], dtype).copy()
    if array.size:
        array[rng.randrange(array.size)] = _number(array.dtype, rng)
    return content[:start] + array.tobytes() + content[end:]


def planted_pickle():
    return pickle.dumps(Planted())
