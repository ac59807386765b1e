"""Files of data that the schema refuses: one each, with their reasons, until acknowledged."""

from __future__ import annotations

from pathlib import Path

from cryptomap.datastore import set_aside

ONE = [("mtu is 1400, not --- as it should be -", b"<mtu>1400</mtu>"), ("unknown", b"<old/>")]
OTHER = [("unknown", b"<older/>")]


def test_each_file_is_shown_with_its_reasons(tmp_path: Path) -> None:
    set_aside.keep(tmp_path, 7, ONE)
    [file] = set_aside.files(tmp_path)
    assert (file.path.name, file.commit) == ("refused-after-7.xml", 7)
    assert file.reasons == ("mtu is 1400, not - - - as it should be -", "unknown")
    assert b"<mtu>1400</mtu>" in file.path.read_bytes()
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_what_running_and_startup_lose_after_the_same_commit_are_two_files(tmp_path: Path) -> None:
    """The second must not take the place of the first; the same once more, after a crash, is no third."""
    for refused in (ONE, OTHER, ONE, OTHER):
        set_aside.keep(tmp_path, 7, refused)
    assert [(file.path.name, len(file.reasons)) for file in set_aside.files(tmp_path)] == [
        ("refused-after-7-2.xml", 1),
        ("refused-after-7.xml", 2),
    ]


def test_what_is_acknowledged_is_kept_and_not_shown(tmp_path: Path) -> None:
    set_aside.keep(tmp_path, 7, ONE)
    set_aside.keep(tmp_path, 9, OTHER)
    first, second = set_aside.files(tmp_path)
    assert b"<mtu>" in set_aside.acknowledge(first).read_bytes()
    assert list(set_aside.files(tmp_path)) == [second]


def test_a_file_that_somebody_has_edited_badly_is_shown(tmp_path: Path) -> None:
    set_aside.keep(tmp_path, 7, ONE)
    (tmp_path / "refused-after-7.xml").write_text("<refused><!-- why --><open>")
    (tmp_path / "refused-after-8.xml").write_text("")
    (tmp_path / "refused-after-x.xml").write_text("mine")
    assert [(file.commit, file.reasons) for file in set_aside.files(tmp_path)] == [(7, ("why",)), (8, ())]
