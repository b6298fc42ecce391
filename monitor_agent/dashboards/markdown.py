"""The Markdown of text panels: paragraphs, lists, headings, emphasis, code and links (pure)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>.+?)\*\*|\*(?P<em>[^*]+)\*|\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)"
)
_VIEW = re.compile(r"#/view/([^?#]+)")


def to_html(text: str, address: Callable[[str], str | None]) -> str:
    """Return a text as HTML; HTML inside the text is escaped.

    Parameters
    ----------
    address : dashboard id -> its URL; None = there is no such dashboard.

    >>> to_html("see [all](#/view/a) and *b* <i>", lambda name: "/" + name)
    '<p>see <a href="/a">all</a> and <em>b</em> &lt;i&gt;</p>'
    """
    return "".join(_blocks(text, address))


def plain(text: str) -> list[str]:
    """Return the lines of a text without its marks.

    >>> plain("# Head\\n\\n**b** [all](#/view/a)")
    ['Head', 'b all']
    """
    lines = (re.sub(r"^(#+|[-*])\s+", "", line.strip()) for line in text.splitlines())
    return [_INLINE.sub(lambda match: next(filter(None, match.group(1, 2, 3, 4))), line) for line in lines if line]


def _blocks(text: str, address: Callable[[str], str | None]) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        heading = re.match(r"(#{1,4})\s+(.*)", lines[0])
        if heading:
            # The panel's title is a heading of the second level.
            level = min(len(heading[1]) + 2, 6)
            yield f"<h{level}>{_inline(heading[2], address)}</h{level}>"
            lines = lines[1:]
        if lines and all(re.match(r"[-*]\s+", line.strip()) for line in lines):
            items = "".join(f"<li>{_inline(line.strip()[1:].strip(), address)}</li>" for line in lines)
            yield f"<ul>{items}</ul>"
        elif lines:
            yield f"<p>{_inline(' '.join(lines), address)}</p>"


def _inline(text: str, address: Callable[[str], str | None]) -> str:
    elements, at = [], 0
    for match in _INLINE.finditer(text):
        elements += [html.escape(text[at : match.start()]), _marked(match, address)]
        at = match.end()
    return "".join([*elements, html.escape(text[at:])])


def _marked(match: re.Match[str], address: Callable[[str], str | None]) -> str:
    if match["code"]:
        return f"<code>{html.escape(match['code'])}</code>"
    for tag in ("strong", "em"):
        if match[tag]:
            return f"<{tag}>{_inline(match[tag], address)}</{tag}>"
    content, target = html.escape(match["text"]), match["target"]
    view = _VIEW.fullmatch(target)
    if view:
        url = address(view[1])
        return f'<a href="{html.escape(url)}">{content}</a>' if url else f"<span>{content}</span>"
    is_web = target.startswith("https://")
    return f'<a href="{html.escape(target)}" rel="noreferrer">{content}</a>' if is_web else content
