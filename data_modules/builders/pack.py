"""Pack a built data set to embed it: ``python -m data_modules.builders.pack FOLDER ARCHIVE``."""

import argparse
import gzip
import io
import lzma
import tarfile
from pathlib import Path

from xcgraph.storage.atomic_files import atomic_write

# One dictionary covers all files: the texts of theorems occur in several of them.
_FILTERS = [
    {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 26, "lc": 4, "pb": 0}
]


def pack_folder(folder: Path, archive: Path) -> None:
    """Write the decompressed files of a folder into a tar.xz; equal files give an equal archive.

    Args:
        folder: the folder, as ``xcgraph-data build`` writes it.
        archive: the file to write.
    """
    contents = {
        path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes())
        if path.suffix == ".gz"
        else path.read_bytes()
        for path in folder.iterdir()
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as members:
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(name)  # its owner, time and mode are constants
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    with atomic_write(archive) as file:
        file.write(lzma.compress(packed.getvalue(), filters=_FILTERS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m data_modules.builders.pack", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("archive", type=Path)
    pack_folder(**vars(parser.parse_args()))
