"""Blobs are durable before a row refers to them, verified on reads, and repaired."""

import os
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from service.store.blobs.object_store import Blob, BlobDamaged, BlobMissing, Blobs
from service.store.blobs.objects import PIECE

LARGE = bytes(range(256)) * (3 * PIECE // 256)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> Blobs:
    return Blobs(folder.as_uri())


def path_of(folder: Path, blob: Blob) -> Path:
    return folder / blob.digest[:2] / blob.digest


def overwrite_last(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


DAMAGES = [overwrite_last, truncate, append, Path.unlink]


def test_a_file_and_its_folder_are_synced_before_put_returns(
    blobs: Blobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def record_sync(descriptor: int) -> None:
        fsync(descriptor)
        calls.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))

    def record_move(path: Path, target: Path) -> Path:
        calls.append(("move", str(target)))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", record_move)
    blob = blobs.put(b"content")

    final = path_of(folder, blob)
    kinds = [kind for kind, _ in calls]
    assert kinds == ["sync", "sync", "move", "sync"]
    assert [Path(path) for _, path in calls[1:]] == [folder, final, final.parent]
    assert Path(calls[0][1]).parent == folder / "incoming"

    calls.clear()
    blobs.put(b"content")
    assert [Path(path) for _, path in calls] == [final, final.parent], (
        "another process may have saved it"
    )


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("content", [b"small", LARGE])
def test_saving_the_same_content_again_repairs_a_blob(
    blobs: Blobs, folder: Path, content: bytes, damage: Callable[[Path], None]
) -> None:
    blob = blobs.put(content)
    assert blobs.has(blob.digest)
    damage(path_of(folder, blob))
    assert not blobs.has(blob.digest)
    with pytest.raises((BlobDamaged, BlobMissing)):
        blobs.get(blob.digest)

    blobs.put_file(blob, BytesIO(content))
    assert blobs.get(blob.digest) == content


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_last_piece_of_a_damaged_blob_is_not_sent(
    blobs: Blobs, folder: Path, damage: Callable[[Path], None]
) -> None:
    blob = blobs.put(LARGE)
    damage(path_of(folder, blob))
    received = b""

    def receive() -> None:
        nonlocal received
        for piece in blobs.stream(blob.digest, blob.size):
            received += piece

    with pytest.raises((BlobDamaged, BlobMissing)):
        receive()
    assert len(received) < len(LARGE)


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_part_of_a_damaged_blob_is_read(
    blobs: Blobs, folder: Path, damage: Callable[[Path], None]
) -> None:
    blob = blobs.put(LARGE)
    assert b"".join(blobs.part(blob.digest, 10, PIECE + 20)) == LARGE[10 : PIECE + 20]
    damage(path_of(folder, blob))
    with pytest.raises((BlobDamaged, BlobMissing)):
        blobs.part(blob.digest, 10, 20)


def test_an_old_partial_file_is_removed_and_a_new_one_stays(blobs: Blobs, folder: Path) -> None:
    old, new = folder / "incoming" / "old.part", folder / "incoming" / "new.part"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert blobs.remove_partial(timedelta(days=1)) == 1
    assert [path.name for path in (folder / "incoming").iterdir()] == ["new.part"]


def test_an_interrupted_save_leaves_no_file(blobs: Blobs, folder: Path) -> None:
    class Interrupted(BytesIO):
        def read(self, *_: object) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blobs.put_file(Blob.of(b"content"), Interrupted())
    assert not list((folder / "incoming").iterdir())
