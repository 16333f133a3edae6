"""The small file system that is filled."""

import errno
import shutil
from pathlib import Path

import pytest

from chaos.small_disk import BALLAST, DISK_BYTES, small_disk


def test_it_is_filled_to_the_last_byte_and_emptied(tmp_path: Path) -> None:
    """A write fails for want of room, and succeeds afterwards; nothing stays mounted."""
    place = tmp_path / "disk"
    with small_disk(place) as disk:
        if disk.why_not:
            pytest.skip(disk.why_not)
        assert shutil.disk_usage(place).total == DISK_BYTES
        disk.fill()
        with pytest.raises(OSError, match="No space left") as caught:
            (place / "table").write_bytes(bytes(8_192))
        assert caught.value.errno == errno.ENOSPC
        disk.empty()
        (place / "table").write_bytes(bytes(8_192))
        assert not (place / BALLAST).exists()
    assert not place.is_mount()
    assert list(place.iterdir()) == []


def test_who_may_not_mount_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain directory serves, and the reason is there to be told."""
    monkeypatch.setattr("chaos.small_disk.os.geteuid", lambda: 1_000)
    with small_disk(tmp_path) as disk:
        assert "root" in disk.why_not
    assert not tmp_path.is_mount()
