"""Turns a file's content into text and blocks: what a reader of the file would see."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

from bs4 import BeautifulSoup, ParserRejectedMarkup, Tag, UnusualUsageWarning
from bs4.element import NavigableString, PageElement, PreformattedString

from fairlead.adapters.files.passages import Block, markdown_blocks, plain_blocks, title_of
from fairlead.core.errors import DocumentUnreadable, DocumentUnsupported

# What the reader for PDF says about a damaged file is in the error; it need not be on the terminal.
logging.getLogger("pypdf").addHandler(logging.NullHandler())

_UNSEEN_NAMES = "head title script style noscript template svg iframe object select"
_UNSEEN = frozenset(_UNSEEN_NAMES.split())
_BLOCK_NAMES = """
    address article aside blockquote body caption dd details dialog div dl dt fieldset figcaption
    figure footer form header hr html li main nav ol p pre section summary table tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDING_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Content:
    """A document's text, its title (may be empty) and its blocks in order."""

    text: str
    title: str
    blocks: list[Block]


def markdown_content(text: str) -> Content:
    """Take a Markdown text as it is."""
    blocks = markdown_blocks(text)
    return Content(text=text, title=title_of(blocks), blocks=blocks)


def plain_content(text: str) -> Content:
    """Take a plain text as it is."""
    blocks = plain_blocks(text)
    return Content(text=text, title=title_of(blocks), blocks=blocks)


def html_content(text: str, path: str) -> Content:
    """Take the words that a browser would show, one paragraph for each block.

    Args:
        text: The HTML source; broken markup is read as far as it goes.
        path: The document's path, for messages.

    Returns:
        The content. The title is the first heading, else what the page's `<title>` says.

    Raises:
        DocumentUnreadable: The parser gives up.
    """
    try:
        with warnings.catch_warnings():
            # It suspects a text without tags to be a file's name, and XHTML to be XML.
            warnings.simplefilter("ignore", UnusualUsageWarning)
            soup = BeautifulSoup(_closed(text), "html.parser")
    except ParserRejectedMarkup as error:
        raise DocumentUnreadable(f"{path}: this is not readable HTML", document=path) from error
    named = soup.title.get_text(" ", strip=True) if soup.title else ""
    for tag in soup.find_all(_is_unseen):
        if not tag.decomposed:
            tag.decompose()
    page = _Page()
    for element, opening in _walk(soup):
        page.take(element, opening)
    page.end_block()
    title = title_of(page.blocks) or " ".join(named.split())
    return Content(text="".join(page.parts), title=title, blocks=page.blocks)


def pdf_content(data: bytes, path: str) -> Content:
    """Take the text of a PDF's pages.

    Args:
        data: The file's bytes.
        path: The document's path, for messages.

    Returns:
        The content, without a title.

    Raises:
        DocumentUnsupported: The reader for PDF is not installed.
        DocumentUnreadable: The file is damaged or locked with a password.
    """
    try:
        import pypdf
    except ImportError:
        raise DocumentUnsupported(
            f"{path}: reading PDF needs the extra fairlead[pdf]", document=path
        ) from None
    try:
        pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]
    # A damaged file makes the library fail in many ways, and none of them may end the reading.
    except Exception as error:
        raise DocumentUnreadable(
            f"{path}: this is not a readable PDF ({type(error).__name__}: {error})", document=path
        ) from error
    # Broken fonts give half characters, which no database takes.
    text = "\n\n".join(pages).encode("utf-8", "replace").decode().replace("\x00", "")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    blocks = [Block(start=one.start, end=one.end) for one in plain_blocks(text)]
    return Content(text=text, title="", blocks=blocks)


def _closed(html: str) -> str:
    """Take away what the end of the file cuts off, as a browser does.

    The parser tries each open tag and comment again up to the end of the file, which for a
    hostile file takes hours.
    """
    comment = html.find("<!--", html.rfind("-->") + 1)
    if comment >= 0:
        html = html[:comment]
    end = html.rfind(">") + 1
    return html[:end] + html[end:].replace("<", "&lt;")


def _is_unseen(tag: Tag) -> bool:
    if tag.name in _UNSEEN or tag.has_attr("hidden") or tag.get("aria-hidden") == "true":
        return True
    return _HIDING_STYLE.search(str(tag.get("style", ""))) is not None


def _walk(soup: BeautifulSoup) -> Iterator[tuple[PageElement, bool]]:
    """Yield each element when it opens, and each tag again when it closes.

    With a list and not by recursion, because a page may be nested deeper than the stack.
    """
    todo: list[tuple[PageElement, bool]] = [(soup, True)]
    while todo:
        element, opening = todo.pop()
        yield element, opening
        if opening and isinstance(element, Tag):
            todo.append((element, False))
            todo.extend((child, True) for child in reversed(element.contents))


@dataclass
class _Page:
    """Collects a page's text block by block."""

    parts: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _length: int = 0
    _level: int = 0
    _code_depth: int = 0

    def take(self, element: PageElement, opening: bool) -> None:
        """Take one element as it opens or closes."""
        if isinstance(element, Tag):
            self._take_tag(element.name, opening)
        elif isinstance(element, NavigableString) and not isinstance(element, PreformattedString):
            text = str(element).replace("\x00", "")
            self._open.append(text if self._code_depth else re.sub(r"\s+", " ", text))

    def _take_tag(self, name: str, opening: bool) -> None:
        if name in _HEADINGS:
            self.end_block()
            self._level = _HEADINGS[name] if opening else 0
        elif name in _BLOCKS:
            self.end_block()
            if name == "pre":
                self._code_depth += 1 if opening else -1
            if name == "li" and opening:
                self._open.append("- ")
        elif name == "br" and opening:
            self._open.append("\n")
        elif name in ("td", "th") and opening and "".join(self._open).strip():
            self._open.append(" | ")

    def end_block(self) -> None:
        """Close the open paragraph, if there is any."""
        text = "".join(self._open)
        self._open.clear()
        if not self._code_depth:
            text = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", text))
        text = text.strip() if not self._code_depth else text.strip("\n")
        if not any(char.isalnum() for char in text):
            return
        gap = "\n\n" if self.parts else ""
        start = self._length + len(gap)
        self.parts += [gap, text]
        self._length = start + len(text)
        heading = " ".join(text.split()) if self._level else ""
        self.blocks.append(Block(start=start, end=self._length, level=self._level, heading=heading))
