"""A record as Markdown: the goals first, then every table, then what is missing."""

from __future__ import annotations

from .figures import UNITS, GiB, MiB

TITLES = {
    "P": "Limits of the machine",
    "A": "Arrays to bytes in memory, contiguous",
    "B": "Bytes to arrays in memory",
    "L": "Arrays to bytes, other layouts",
    "C": "Files",
    "D": "Compression in memory",
    "E": "TCP on loopback",
    "F": "Parts of a large stored array",
    "S": "Seconds per GiB",
    "H": "Channels",
    "Z": "Archives",
}
ABOUT = (
    "Medians over interleaved rounds. A ratio is the median of the ratios within each round, to the contender marked 1.00; "
    "above 1 is faster."
)
#: Columns that only some tables have, and how they are shown.
MORE = {
    "comp": lambda value: f"{value:.3g}",
    "size": lambda value: f"{value / MiB:.1f} MiB",
    "files": str,
    "rss_write": lambda value: f"{value / MiB:.1f} MiB",
    "rss_read": lambda value: f"{value / MiB:.1f} MiB",
    "p50_us": lambda value: f"{value:.1f}",
    "p99_us": lambda value: f"{value:.1f}",
    "msgs_per_s": lambda value: f"{value:.0f}",
    "build_s": lambda value: f"{value:.1f}",
}


def markdown(data: dict) -> str:
    lines = ["# Measured", "", *head(data["meta"]), "", ABOUT, ""]
    if data["goals"]:
        lines += goals(data["goals"])
    for section, title in TITLES.items():
        rows = [row for row in data["results"] if row["section"] == section]
        if rows:
            lines += [f"## {section}. {title}", "", *SHOWN.get(section, tables)(rows)]
    if data["missing"]:
        lines += missing(data["missing"])
    return "\n".join(lines)


def head(meta: dict) -> list[str]:
    packages = ", ".join(f"{name} {version or '(missing)'}" for name, version in meta["packages"].items())
    told = {**meta, "packages": packages}
    return [f"- {key}: {value}" for key, value in told.items()]


def goals(rows: list[dict]) -> list[str]:
    known = [row for row in rows if row["met"] is not None]
    short = [row for row in known if not row["met"]]
    lines = ["## Goals", "", f"{len(known) - len(short)} of {len(rows)} met, {len(short)} short, {len(rows) - len(known)} missing.", "",
             table_row("goal", "ours", "peer", "measured", "wanted", "ours takes", "peer takes", ""),
             "|---|---|---|---:|---:|---:|---:|---|"]
    group = None
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            lines.append(table_row(f"**{group}**", *[""] * 7))
        measured = "" if row["measured"] is None else f"{row['measured']:.3g} {row['unit']}"
        wanted = f"{'at most' if UNITS[row['unit']] else 'at least'} {row['goal']:g} {row['unit']}"
        times = [seconds(row[side]) if row.get(side) else "" for side in ("ours_s", "peer_s")]
        verdict = row.get("why", "missing") if row["met"] is None else "" if row["met"] else "**short**"
        lines.append(table_row(row["name"], code(row["ours"]), code(row["peer"]), measured, wanted, *times, verdict))
    for row in rows:
        if "worst" in row:
            lines += ["", f"{row['name']}: {row['measured']:.3f}; the median is {row['median_x']:.2f}x. The slowest:", ""]
            lines += [f"- {one['x']:.2f}x: {one['layout']}" for one in row["worst"]]
    return [*lines, ""]


def tables(rows: list[dict]) -> list[str]:
    lines = []
    for workload in dict.fromkeys(row["workload"] for row in rows):
        part = sorted((row for row in rows if row["workload"] == workload), key=lambda row: row["median_s"])
        more = [name for name in MORE if any(row.get(name) is not None for row in part)]
        lines += [f"**{workload}**", "", table_row("contender", "median", "GB/s", "ratio", *more), "|---|" + "---:|" * (3 + len(more))]
        for row in part:
            extra = [MORE[name](row[name]) if row.get(name) is not None else "" for name in more]
            lines.append(table_row(row["contender"], seconds(row["median_s"]), f"{row['gbps']:.3g}", f"{row['ratio']:.2f}", *extra))
        lines.append("")
    return lines


def limits(rows: list[dict]) -> list[str]:
    lines = [table_row("limit", "median", "GB/s", "best GB/s"), "|---|---:|---:|---:|"]
    for row in rows:
        late = f" (p99 {row['p99_us']:.1f} µs)" if "p99_us" in row else ""
        best = row.get("best_gbps", row["gbps"])
        lines.append(table_row(row["workload"] + late, seconds(row["median_s"]), f"{row['gbps']:.3g}", f"{best:.3g}"))
    return [*lines, ""]


def compression(rows: list[dict]) -> list[str]:
    lines = []
    for name in dict.fromkeys(row["workload"].rsplit(" ", 1)[0] for row in rows):
        there, back = ({row["contender"]: row for row in rows if row["workload"] == f"{name} {way}"} for way in ("compress", "decompress"))
        lines += [f"**{name}** ({next(iter(there.values()))['nbytes'] / MiB:.2f} MiB)", "",
                  table_row("codec", "ratio", "compress MB/s", "x zlib 6", "decompress MB/s", "x zlib 6"), "|---|" + "---:|" * 5]
        for codec, row in sorted(there.items(), key=lambda item: -item[1]["comp"]):
            both = [text for way in (row, back[codec]) for text in (f"{way['gbps'] * 1e3:.0f}", f"{way['ratio']:.1f}")]
            lines.append(table_row(codec, f"{row['comp']:.3f}", *both))
        lines.append("")
    return lines


def per_gib(rows: list[dict]) -> list[str]:
    sizes = list(dict.fromkeys(row["contender"] for row in rows))
    lines = [table_row("", *sizes), "|---|" + "---:|" * len(sizes)]
    for verb in dict.fromkeys(row["workload"] for row in rows):
        taken = {row["contender"]: row["median_s"] * GiB / row["nbytes"] for row in rows if row["workload"] == verb}
        lines.append(table_row(verb, *(f"{taken[size]:.3f}" if size in taken else "missing" for size in sizes)))
    return [*lines, ""]


def missing(rows: list[dict]) -> list[str]:
    lines = ["## Missing", "", table_row("section", "workload", "contender", "why"), "|---|---|---|---|"]
    return [*lines, *(table_row(*(row[key] for key in ("section", "workload", "contender", "why"))) for row in rows), ""]


def table_row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def code(source: str) -> str:
    return f"`{source}`" if source else ""


def seconds(value: float) -> str:
    for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * scale >= 1:
            return f"{value * scale:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


SHOWN = {"P": limits, "D": compression, "S": per_gib}
