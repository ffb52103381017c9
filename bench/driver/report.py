"""The figures as tables for the terminal, as Markdown, JSON and plots."""

import json

from driver import plots
from driver.parts import WORKLOADS, YARDSTICK

DASH = "-"


def show(value, form="{:.2f}"):
    return DASH if value is None else form.format(value)


def table(header, rows):
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header),
                      *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""])


def throughput(results):
    parts = []
    for workload, rows in results.get("throughput", {}).items():
        lines = [[name, *([DASH] * 7)] if row is None else
                 [name, f"{row['per_second']:,.0f}", show(row["ratio"]), f"{row['cpu_us']:.3f} ({row['user_us']:.3f})", show(row["cpu_ratio"]),
                  show(row.get("system_calls"), "{:.3f}"), f"{row['median_us']:,.0f} / {row['p99_us']:,.0f}",
                  f"{row['generator_cpu'] * 100:.0f} %" + (" (saturated)" if row["saturated"] else "")]
                 for name, row in rows.items()]
        parts += [f"### {workload}", "",
                  table(["server", "messages/s", "to raw", "CPU us a message (user)", "CPU to raw", "system calls", "latency us, median / p99",
                         "generator"], lines)]
    return parts


def simple(results):
    parts = []
    if results.get("handshakes"):
        lines = [[name, f"{row['per_second']:,.0f}", show(row["ratio"]), f"{row['cpu_us']:.1f} ({row['user_us']:.1f})"]
                 for name, row in results["handshakes"].items() if row]
        parts += ["### Handshakes: connect, upgrade, one message, close; raw: the same bytes", "",
                  table(["server", "a second", "to raw", "CPU us each (user)"], lines)]
    if results.get("memory"):
        lines = [[name, f"{row['idle']:,}", f"{row['bytes']:,.0f}"] for name, row in results["memory"].items() if row]
        parts += ["### Resident memory of an idle session", "", table(["server", "sessions", "bytes each"], lines)]
    for mode, rows in results.get("compression", {}).items():
        words = {"apart": "each message by itself", "takeover": "with context takeover"}[mode]
        lines = [[name, f"{row['per_second']:,.0f}", f"{row['cpu_us']:.1f} ({row['user_us']:.1f})"] for name, row in rows.items() if row]
        parts += [f"### 1 KiB of JSON compressed, {words}", "", table(["server", "messages/s", "CPU us a message (user, by ticks)"], lines)]
    return parts


def scale(results):
    parts = []
    if results.get("fairness"):
        lines = [[name, f"{row['alone_p99_us']:,.0f}", f"{row['beside_p99_us']:,.0f}", show(row["factor"]),
                  f"{row['stream_megabytes_per_second']:,.0f}"] for name, row in results["fairness"].items() if row["factor"]]
        parts += ["### 1,000 light sessions, alone and beside one that streams", "",
                  table(["server", "p99 alone, us", "p99 beside, us", "factor", "stream MB/s"], lines)]
    cost = (results.get("scale") or {}).get("cost")
    if cost:
        counts = sorted({count for rows in cost.values() for count in rows})
        lines = [[name, *(f"{rows[count]['cpu_us']:.2f} ({rows[count]['cpu_ratio']:.2f})" if rows.get(count) else DASH for count in counts)]
                 for name, rows in cost.items()]
        parts += ["### CPU us a message by active sessions (to raw)", "", table(["server", *(f"{count:,}" for count in counts)], lines)]
    return parts


def programs(results):
    """What programs of bench/ print, as it is."""
    said = dict(results.get("others", {}))
    said["bench_wire, bench_coroutine"] = results.get("micro", {}).get("text", "").strip()
    said["bench_deflate"] = results.get("deflate", {}).get("text", "").strip()
    parts = [part for name, words in said.items() if words for part in (f"### {name}", "", "```", words, "```", "")]
    return ["## Parts alone", "", *parts] if parts else []


def targets(rows):
    words = {True: "yes", False: "**no**", None: "not measured"}
    return ["## Targets", "", table(["", "what", "wanted", "reached", ""],
                                    [[row["target"], row["what"], row["wanted"], row["reached"], words[row["yes"]]] for row in rows])]


def pictures(results):
    """{file name: SVG}"""
    found = {}
    for index, (workload, rows) in enumerate(results.get("throughput", {}).items()):
        lines = [(name, [row["user_us"], row["cpu_us"] - row["user_us"]], f"{row['cpu_us']:.3g} us, {show(row['ratio'])} of raw's messages/s")
                 for name, row in rows.items() if row]
        found[f"cpu-{index + 1}.svg"] = plots.bars(f"Server CPU a message: {workload}", lines, ["user", "kernel"])
    memory = [(name, [row["bytes"]], f"{row['bytes']:,.0f} B") for name, row in results.get("memory", {}).items() if row]
    if memory:
        found["memory.svg"] = plots.bars("Resident memory of an idle session", memory, ["bytes"])
    cost = (results.get("scale") or {}).get("cost")
    if cost:
        series = {name: {count: row["cpu_us"] for count, row in rows.items() if row} for name, rows in cost.items()}
        found["scale.svg"] = plots.lines("Server CPU a message by active sessions", series, "active sessions", "us")
    return found


def markdown(results, rows, machine, form):
    parts = ["# Figures", "",
             f"By `make bench{'-full' if form == 'full' else ''}`: rounds that take turns, medians; the server on one core, `weir bench` on another. "
             f"Ratios are to `{YARDSTICK}` in the same round: a TCP echo of the very same bytes.", "",
             table(["machine", ""], machine.items())]
    parts += targets(rows)
    parts += ["## Servers", "", *throughput(results), *simple(results), *scale(results)]
    parts += [f"![{name[:-4]}]({name})\n" for name in pictures(results)]
    parts += programs(results)
    if results.get("said"):
        parts += ["## Remarks of the run", "", *(f"- {line.strip()}" for line in results["said"])]
    return "\n".join(parts).rstrip() + "\n"


def write(folder, results, rows, machine, form):
    folder.mkdir(parents=True, exist_ok=True)
    data = {"form": form, "machine": machine, "workloads": WORKLOADS, "targets": rows, "results": results}
    (folder / "results.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(results, rows, machine, form), encoding="utf-8")
    for name, picture in pictures(results).items():
        (folder / name).write_text(picture, encoding="utf-8")
