"""bench/picture.py - the peers' figures as one SVG, for bench/README.md. Used by report.py.

Four panels with a bar for each arm: the median, with its 95 % interval as a line where there are
three runs or more. Plain SVG; colors follow the reader's light or dark scheme.
"""

import html

from beside import NAMES, OURS, cpu_all, cpu_broker, cpu_own, cpu_postgres, memory
from beside import orders_per_s, peers_in, written
from figures import found_of, number, of_arm

WIDTH, MARGIN, GAP = 920, 24, 40
PANEL = (WIDTH - 2 * MARGIN - GAP) // 2
LABEL = 128  # of a bar, on its left
VALUE = 64  # on its right
ROW, BAR = 30, 18
HEAD = 96  # title and what was measured
TITLE = 40  # of a panel

STYLE = """
  svg { font-family: system-ui, sans-serif; font-size: 13px; }
  .page { fill: #ffffff; } text { fill: #1f2328; } .faint { fill: #59636e; }
  .title { font-size: 17px; font-weight: 600; } .head { font-weight: 600; }
  .ours { fill: #1a7f64; } .theirs { fill: #8a93a0; }
  .own { fill: #1a7f64; } .broker { fill: #d0912c; } .postgres { fill: #5c7fb8; }
  .interval { stroke: #1f2328; stroke-width: 1.5; fill: none; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } text { fill: #e6edf3; } .faint { fill: #9198a1; }
    .ours, .own { fill: #3fb58f; } .theirs { fill: #6e7681; }
    .broker { fill: #e0a84a; } .postgres { fill: #7fa3dd; } .interval { stroke: #e6edf3; }
  }
"""

# title, unit and what is better, parts of a bar: (class or None, figure)
PANELS = (
    ("orders a second", "more is better", ((None, orders_per_s),)),
    ("CPU time an order, servers included", "µs; less is better",
     (("own", cpu_own), ("broker", cpu_broker), ("postgres", cpu_postgres))),
    ("records written to Kafka an order", "without markers; less is better",
     ((None, written("records")),)),
    ("peak memory without the servers", "MiB; less is better", ((None, memory),)),
)
LEGEND = (("own", "programs"), ("broker", "broker"), ("postgres", "PostgreSQL"))


def text(x, y, words, style="", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
            f"{html.escape(words)}</text>")


def rect(x, y, width, height, style):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'class="{style}"/>')


def whole(parts):
    """The figure of a bar: the sum of its parts."""
    return cpu_all if len(parts) > 1 else parts[0][1]


def bar(x, y, arm, arms, parts, scale):
    """A bar with its name, its value and its interval."""
    found = found_of([whole(parts)(r) for r in arms])
    drawn = [text(x + LABEL - 8, y + BAR - 4, NAMES[arm], "head" if arm == OURS else "", "end")]
    at, middle = x + LABEL, y + BAR / 2
    # The parts' medians need not add up to the median: they share its length.
    sizes = [found_of([key(r) for r in arms])["median"] for _, key in parts]
    for (style, _), size in zip(parts, sizes):
        width = found["median"] * size / max(sum(sizes), 1e-9) * scale
        drawn.append(rect(at, y, width, BAR, style or ("ours" if arm == OURS else "theirs")))
        at += width
    if found["interval"]:
        low, high = (x + LABEL + edge * scale for edge in found["interval"])
        drawn.append(
            f'<path class="interval" d="M{low:.1f} {middle - 4}v8m0 -4H{high:.1f}m0 -4v8"/>'
        )
        at = max(at, high)
    return [*drawn, text(at + 8, y + BAR - 4, number(found["median"]))]


def legend(x, y):
    drawn = []
    for style, words in LEGEND:
        drawn += [rect(x, y - 10, 10, 10, style), text(x + 15, y, words, "faint")]
        x += 30 + 7 * len(words)
    return drawn


def panel(x, y, results, names, title, unit, parts):
    tops = [max(whole(parts)(r) for r in of_arm(results, arm)) for arm in names]
    scale = (PANEL - LABEL - VALUE) / max(tops)
    drawn = [text(x, y + 4, title, "head"), text(x, y + 21, unit, "faint")]
    if len(parts) > 1:
        drawn += legend(x + PANEL - 265, y + 21)
    for place, arm in enumerate(names):
        drawn += bar(x, y + TITLE + place * ROW, arm, of_arm(results, arm), parts, scale)
    return drawn


def draw(facts, results, quiet):
    """The SVG as text; beside.peers_in(results) is not empty."""
    names = [OURS, *peers_in(results)]
    settings, machine = facts["settings"], facts["machine"]
    step = TITLE + len(names) * ROW + 34
    height = HEAD + 2 * step
    runs = len(of_arm(results, OURS))
    spread = ", with their 95 % intervals" if runs >= 3 else ""
    warning = "" if quiet else "; THE MACHINE WAS NOT QUIET"
    drawn = [
        rect(0, 0, WIDTH, height, "page"),
        text(MARGIN, 34, "orderlog beside Java peers: from the first command read to the last row "
             "committed", "title"),
        text(MARGIN, 55, f"{settings['orders']:,} orders with {settings['lines']:,} lines; medians "
             f"of {runs} run(s) in turns{spread}{warning}", "faint"),
        text(MARGIN, 73, f"{machine['cores']} cores, {machine['memory_gib']} GiB; one broker, one "
             f"replica; synchronous_commit {settings['commit_sync']}; commit {facts['commit']}",
             "faint"),
    ]
    for place, (title, unit, parts) in enumerate(PANELS):
        x = MARGIN + place % 2 * (PANEL + GAP)
        y = HEAD + 10 + place // 2 * step
        drawn += panel(x, y, results, names, title, unit, parts)
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">\n'
        f"<title>orderlog beside Java peers</title>\n"
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )
