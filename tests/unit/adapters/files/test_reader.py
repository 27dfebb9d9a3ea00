"""Reading a folder: what is taken, what is refused and why, and nothing that stops the rest."""

from __future__ import annotations

import builtins
import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdf
import pytest

from fairlead.adapters.files.reader import FolderReader
from fairlead.core.errors import (
    CollectionMissing,
    DocumentBinary,
    DocumentEmpty,
    DocumentEncoding,
    DocumentOutside,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
    FairleadError,
)
from fairlead.ports.documents import Document

PAGE = """<!doctype html><html><head><title>Shop</title><style>p { x: y }</style></head><body>
<nav hidden>menu</nav><h1>Our <b>refunds</b></h1><p>Paid back<br>in   14 days.</p>
<script>var secret = 1;</script><!-- a note --><div style="display: none">unseen</div>
<ul><li>One<li>Two</ul><h2>Code</h2><pre>a
  b</pre><table><tr><th>zone<th>days<tr><td>EU<td>3</table></body></html>"""


def read(root: Path, **options: int) -> dict[str, Document | FairleadError]:
    """Read a folder and check what holds for every result."""
    found: dict[str, Document | FairleadError] = {}
    for one in FolderReader(**options).read(root, "docs"):
        path = one.path if isinstance(one, Document) else one.ids["document"]
        assert path not in found
        found[path] = one
        if isinstance(one, FairleadError):
            assert path in one.message
            continue
        assert one.digest == hashlib.sha256(one.text.encode()).hexdigest()
        assert one.passages
        for passage in one.passages:
            assert one.text[passage.start : passage.end] == passage.text
            assert (passage.collection, passage.document) == ("docs", path)
    return found


def document(root: Path, path: str) -> Document:
    found = read(root)[path]
    assert isinstance(found, Document)
    return found


def pdf(text: str) -> bytes:
    """Write a PDF of one page by hand."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 6\n0000000000 65535 f \n" + table
    tail = b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(data)
    return data + head + tail


def test_documents_come_by_path(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.txt", "a.MD", "c.markdown", "a-b/y.htm", "x.rst", "noending"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("Some text.")
    for name in (".hidden.md", ".git/readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("Some text.")
    assert list(read(tmp_path)) == ["a-b/y.htm", "a.MD", "a/z.txt", "b.md", "c.markdown"]


def test_the_same_content_gives_the_same_documents(tmp_path: Path) -> None:
    for name, end, mark in (("one", "\n", b""), ("two", "\r\n", b"\xef\xbb\xbf")):
        (tmp_path / name).mkdir()
        text = f"# Refunds{end}{end}Paid back.{end}"
        (tmp_path / name / "a.md").write_bytes(mark + text.encode())
    assert read(tmp_path / "one") == read(tmp_path / "two")


def test_a_title_is_the_first_heading_or_the_name(tmp_path: Path) -> None:
    (tmp_path / "refund-policy_2.md").write_text("No heading here.")
    (tmp_path / "plain.txt").write_text("Refund policy\n\nPaid back.")
    (tmp_path / "page.html").write_text("<title>Named\n so</title><p>Text</p>")
    (tmp_path / "---.txt").write_text("Text.")
    titles = {path: one.title for path, one in read(tmp_path).items() if isinstance(one, Document)}
    assert titles == {
        "---.txt": "---",
        "page.html": "Named so",
        "plain.txt": "Refund policy",
        "refund-policy_2.md": "refund policy 2",
    }


def test_html_is_what_a_reader_sees(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    found = document(tmp_path, "page.html")
    assert found.text == (
        "Our refunds\n\nPaid back\nin 14 days.\n\n- One\n\n- Two\n\n"
        "Code\n\na\n  b\n\nzone | days\n\nEU | 3"
    )
    assert [one.title for one in found.passages] == ["Our refunds", "Our refunds > Code"]


@pytest.mark.parametrize(
    "source",
    ["<div>" * 5_000, "<a " * 5_000, "<!--" * 5_000, "http://example.org", "<?xml version='1.0'?>"],
)
def test_odd_html_does_not_stop_the_reader(tmp_path: Path, source: str) -> None:
    (tmp_path / "page.html").write_text(f"<p>Seen.</p>{source}")
    (tmp_path / "bare.html").write_text(f"{source}<p>Seen.</p>")
    assert "Seen." in document(tmp_path, "page.html").text
    assert "bare.html" in read(tmp_path)


def test_html_that_the_parser_rejects(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>Seen.</p><![x[ ]]>")
    assert isinstance(read(tmp_path)["page.html"], DocumentUnreadable)


def test_pdf(tmp_path: Path) -> None:
    (tmp_path / "terms.pdf").write_bytes(pdf("Paid back in 14 days."))
    found = document(tmp_path, "terms.pdf")
    assert (found.title, found.text.strip()) == ("terms", "Paid back in 14 days.")


def test_a_pdf_of_pictures_is_empty(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(pdf(""))
    assert isinstance(read(tmp_path)["scan.pdf"], DocumentEmpty)


def test_a_locked_pdf(tmp_path: Path) -> None:
    (tmp_path / "open.pdf").write_bytes(pdf("Secret."))
    writer = pypdf.PdfWriter(tmp_path / "open.pdf")
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(tmp_path / "locked.pdf")
    assert isinstance(read(tmp_path)["locked.pdf"], DocumentUnreadable)


def test_pdf_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "terms.pdf").write_bytes(pdf("Paid back."))
    real = builtins.__import__

    def without_pypdf(name: str, *rest: Any) -> Any:
        if name == "pypdf":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_pypdf)
    error = read(tmp_path)["terms.pdf"]
    assert isinstance(error, DocumentUnsupported)
    assert "fairlead[pdf]" in error.message


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 200_000_000)


@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [
        ("a.md", lambda path: path.write_bytes(b""), DocumentEmpty),
        ("a.txt", lambda path: path.write_bytes(b"\xef\xbb\xbf \r\n\t"), DocumentEmpty),
        ("a.html", lambda path: path.write_bytes(b"<script>x</script>"), DocumentEmpty),
        ("a.md", lambda path: path.write_bytes(b"text\x00text"), DocumentBinary),
        ("a.txt", lambda path: path.write_bytes("café".encode("latin-1")), DocumentEncoding),
        ("a.txt", lambda path: path.write_bytes("text".encode("utf-16")), DocumentEncoding),
        ("a.md", huge, DocumentTooLarge),
        ("a.pdf", lambda path: path.write_bytes(b"%PDF-1.4 torn"), DocumentUnreadable),
        ("a.md", lambda path: path.symlink_to("/etc/hostname"), DocumentOutside),
        ("a", lambda path: path.symlink_to("/etc"), DocumentOutside),
        ("a.md", lambda path: path.symlink_to("gone.md"), DocumentUnreadable),
        ("a.md", lambda path: path.symlink_to("a.md"), DocumentUnreadable),
        ("a.md", fifo, DocumentUnreadable),
        ("a.md", listening, DocumentUnreadable),
    ],
)
def test_a_refused_file_does_not_stop_the_rest(
    tmp_path: Path, name: str, make: Callable[[Path], object], expected: type[FairleadError]
) -> None:
    (tmp_path / "0.md").write_text("Before.")
    (tmp_path / "z.md").write_text("After.")
    make(tmp_path / name)
    found = read(tmp_path)
    assert list(found) == ["0.md", name, "z.md"]
    assert type(found[name]) is expected
    assert isinstance(found["0.md"], Document) and isinstance(found["z.md"], Document)


def test_a_file_at_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("12345")
    assert isinstance(read(tmp_path, max_bytes=5)["a.md"], Document)
    assert isinstance(read(tmp_path, max_bytes=4)["a.md"], DocumentTooLarge)


def test_a_file_that_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("12345")
    real = Path.open

    def open_grown(self: Path, mode: str) -> Any:
        with real(self, "ab") as stream:
            stream.write(b"67890")
        return real(self, mode)

    monkeypatch.setattr(Path, "open", open_grown)
    assert isinstance(read(tmp_path, max_bytes=5)["a.md"], DocumentTooLarge)


def test_a_file_that_vanishes_while_the_folder_is_read(tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "c.md"):
        (tmp_path / name).write_text("Text.")
    reading = FolderReader().read(tmp_path, "docs")
    assert isinstance(next(reading), Document)
    (tmp_path / "b.md").unlink()
    assert isinstance(next(reading), DocumentUnreadable)
    assert isinstance(next(reading), Document)


def test_a_file_that_became_a_folder(tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("Text.")
    reading = FolderReader().read(tmp_path, "docs")
    next(reading)
    (tmp_path / "b.md").unlink()
    (tmp_path / "b.md").mkdir()
    assert isinstance(next(reading), DocumentUnreadable)


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.md").write_text("Text.")
    real = Path.iterdir

    def iterdir(self: Path) -> Any:
        if self.name == "shut":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = read(tmp_path)
    assert isinstance(found["shut"], DocumentUnreadable) and isinstance(found["a.md"], Document)


def test_a_folder_with_a_documents_ending_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.md").mkdir()
    (tmp_path / "x.md" / "a.md").write_text("Text.")
    assert list(read(tmp_path)) == ["x.md/a.md"]


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text("Text.")
    found = read(tmp_path)
    assert isinstance(found[r"caf\xe9.md"], DocumentEncoding)


def test_links_inside_the_folder_are_followed_once(tmp_path: Path) -> None:
    for folder in ("a", "b", ".versions/2"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.md").write_text("Text.")
    (tmp_path / "alias.md").symlink_to("a/x.md")
    (tmp_path / "current").symlink_to(".versions/2")
    (tmp_path / "again").symlink_to(".versions/2")
    (tmp_path / "a" / "b").symlink_to("../b")
    (tmp_path / "b" / "a").symlink_to("../a")
    (tmp_path / "b" / "up").symlink_to("..")
    assert list(read(tmp_path)) == ["a/x.md", "again/x.md", "alias.md", "b/x.md"]


def test_a_root_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.md").write_text("Text.")
    (tmp_path / "link").symlink_to("real")
    assert read(tmp_path / "link") == read(tmp_path / "real")


def test_a_link_out_of_the_folder_with_another_ending_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "hostname.dat").symlink_to("/etc/hostname")
    assert read(tmp_path) == {}


def test_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "b.docx").write_text("Text.")
    assert list(read(tmp_path / "a.md")) == ["a.md"]
    assert isinstance(read(tmp_path / "b.docx")["b.docx"], DocumentUnsupported)


def test_a_missing_root_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(CollectionMissing, match="nowhere"):
        FolderReader().read(tmp_path / "nowhere", "docs")
