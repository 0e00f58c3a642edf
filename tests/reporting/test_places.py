"""Where a system has no links: the parts of a page are copied."""
from pathlib import Path

from benchmark_utils.reporting.pages import _place


def test_without_links_files_are_copied(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("a privilege is needed")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("text", encoding="utf-8")
    _place(source, tmp_path / "folder")
    _place(source / "file", tmp_path / "file")
    for copy in (tmp_path / "folder" / "file", tmp_path / "file"):
        assert copy.read_text(encoding="utf-8") == "text"
        assert not copy.is_symlink()
