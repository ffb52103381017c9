"""Plots as SVG: bars and lines, with no dependency."""

import html
import math

FONT = 'font-family="sans-serif" font-size="12"'
COLORS = ["#4269d0", "#efb118", "#3ca951", "#ff725c", "#a463f2", "#6cc5b0"]


def text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {FONT} fill="#222" {more}>{html.escape(str(words))}</text>'


def rectangle(x, y, width, height, color):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0, width):.1f}" height="{max(0, height):.1f}" fill="{color}"/>'


def line(x1, y1, x2, y2, color="#ddd"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>'


def picture(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def short(value):
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def bars(title, rows, legend):
    """Rows of (name, [values, stacked], label behind the bar); legend names the values."""
    left, width, step, top = 190, 760, 24, 56
    most = max((sum(values) for _, values, _ in rows), default=0) or 1
    room = width - left - 130
    parts = [text(12, 22, title, more='font-weight="bold"')]
    at = left
    for color, words in zip(COLORS, legend):
        parts += [rectangle(at, 32, 11, 11, color), text(at + 16, 42, words)]
        at += 16 + 8 * len(words) + 16
    for index, (name, values, label) in enumerate(rows):
        y = top + index * step
        parts.append(text(left - 8, y + 15, name, "end"))
        x = left
        for color, value in zip(COLORS, values):
            size = value / most * room
            parts.append(rectangle(x, y + 3, size, step - 7, color))
            x += size
        parts.append(text(x + 6, y + 15, label))
    return picture(width, top + len(rows) * step + 12, parts)


def lines(title, series, x_name, y_name):
    """Series of {name: {x: y}}; x on a logarithmic scale, y from 0."""
    left, top, width, height = 70, 40, 640, 300
    points = [(x, y) for values in series.values() for x, y in values.items()]
    if not points:
        return picture(200, 40, [text(12, 22, "not measured")])
    low, high = math.log10(min(x for x, _ in points)), math.log10(max(x for x, _ in points))
    most = max(y for _, y in points) * 1.1 or 1

    def place(x, y):
        share = (math.log10(x) - low) / (high - low) if high > low else 0.5
        return left + share * width, top + height - y / most * height

    parts = [text(12, 22, title, more='font-weight="bold"')]
    for index in range(6):
        value = most * index / 5
        _, y = place(10 ** low, value)
        parts += [line(left, y, left + width, y), text(left - 8, y + 4, short(value), "end")]
    for x in sorted({x for x, _ in points}):
        at, _ = place(x, 0)
        parts += [line(at, top, at, top + height, "#eee"), text(at, top + height + 18, f"{x:,}", "middle")]
    parts += [text(left + width / 2, top + height + 38, x_name, "middle"), text(left + 6, top + 14, y_name)]
    for index, (name, values) in enumerate(series.items()):
        color = COLORS[index % len(COLORS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in sorted(values.items()))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += ['<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>'.format(*place(x, y), color) for x, y in values.items()]
        parts += [rectangle(left + width + 16, top + 20 * index, 11, 11, color), text(left + width + 32, top + 20 * index + 10, name)]
    return picture(left + width + 190, top + height + 52, parts)
