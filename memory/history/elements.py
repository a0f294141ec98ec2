"""Parts of a page that several sections have."""

from collections.abc import Sequence

from memory.history.charts import colour, letter
from memory.history.panels import Panel


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """heads, rows: HTML; a # before a head sets its column right, as numbers are."""
    sides = [' class="number"' if head.startswith("#") else "" for head in heads]
    first = "".join(f"<th{side}>{head.removeprefix('#')}</th>" for side, head in zip(sides, heads, strict=True))
    lines = ["".join(f"<td{side}>{cell}</td>" for side, cell in zip(sides, row, strict=True)) for row in rows]
    return "\n".join(
        [
            '<div class="scroll"><table>',
            f"<thead><tr>{first}</tr></thead>",
            "<tbody>",
            *(f"<tr>{line}</tr>" for line in lines),
            "</tbody>",
            "</table></div>",
        ]
    )


def figure(panel: Panel, svg: str) -> str:
    return f"<figure><figcaption><b>{panel.title}</b>{panel.note}</figcaption>\n{svg}</figure>"


def key(index: int) -> str:
    return f'<span class="key" style="color: {colour(index)}"><span>{letter(index)}</span></span>'
