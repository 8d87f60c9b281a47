"""A table as HTML."""

from __future__ import annotations

from html import escape


def table(head: list[str], rows: list[list[str]], ids: list[str] | None = None) -> str:
    """A table of escaped cells; the first column names the row."""
    names = ids or [""] * len(rows)
    body = "".join(
        f"<tr{f' id={name!r}' if name else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>\n"
        for name, row in zip(names, rows, strict=True)
    )
    cells = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    return (
        f'<div class="wide"><table><thead><tr>{cells}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )
