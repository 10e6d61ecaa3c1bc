"""Shared by compare_*.py: contestants in alternating rounds, and the table of them."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path


@dataclass(frozen=True)
class Contestant:
    """Who runs: a command that writes one JSON object to the path it is given; and ours that it is set beside."""

    name: str
    command: Callable[[Path], list]
    beside: str


@dataclass(frozen=True)
class Figure:
    """A column of the table: a key of the results, its heading and its format."""

    key: str
    heading: str
    form: str


PEAK = Figure("peak_rss_mb", "peak RSS MiB", ".0f")
CPU = Figure("cpu_seconds", "CPU s", ".1f")


def add_arguments(parser):
    """What all comparisons are asked."""
    parser.add_argument("--jar", required=True)
    parser.add_argument("--java", default="java")
    parser.add_argument("--heap", default="256m", help="-Xmx of our side")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, help="OpenMP's, on both sides; default: what each takes")
    parser.add_argument("--python", default=sys.executable, help="of their side")


def ours(args, command, *arguments):
    """The command line of one of our commands."""
    return [args.java, f"-Xmx{args.heap}", "-jar", args.jar, command, *arguments]


def bench_causal(args, options, kind, path):
    """Our training of a decoder; kind is "bf16" or "fp32", with or without "+checkpointing"."""
    precision, _, checkpointing = kind.partition("+")
    return ours(args, "bench-causal", *options, "--output", path, *(["--bf16"] if precision == "bf16" else []),
                *(["--gradient-checkpointing", "on"] if checkpointing else []))


def contestants(our_kinds, our, their_kinds, their):
    """The kinds of both sides, named in lists with commas; our(kind, path) and their(kind, path) give command lines.

    A kind is set beside the first of ours that ends in "+checkpointing" as it does or does not, else beside the first.
    """
    mine, others = our_kinds.split(","), their_kinds.split(",")

    def contestant(side, kind, command):
        fitting = [k for k in mine if k.endswith("+checkpointing") == kind.endswith("+checkpointing")]
        return Contestant(f"{side} {kind}", partial(command, kind), f"ours {(fitting or mine)[0]}")

    return [contestant("ours", kind, our) for kind in mine] + [contestant("HF", kind, their) for kind in others]


def compare(args, entrants, speed, figures, title):
    """Runs each contestant once a round, so that all of them meet the same state of the machine, and prints the table.

    Ratios are medians of the rounds' own ratios. Writes args.out/NAME-ROUND.json and args.out/table.md.
    speed is a Figure of which more is better.
    """
    args.out.mkdir(parents=True, exist_ok=True)
    environment = os.environ | ({"OMP_NUM_THREADS": str(args.threads)} if args.threads else {})
    results = {contestant.name: [] for contestant in entrants}
    for number in range(args.runs):
        for contestant in entrants:
            path = args.out / f"{contestant.name.replace(' ', '-')}-{number}.json"
            run(contestant.command(path), environment)
            results[contestant.name].append(json.loads(path.read_text()))
            last = results[contestant.name][-1]
            said = ", ".join(f"{last[f.key]:{f.form}} {f.heading}" for f in (speed, *figures))
            first = f", first loss {last['first_loss']:.4f}" if "first_loss" in last else ""
            print(f"round {number + 1} {contestant.name}: {said}{first}", flush=True)
    text = table(entrants, results, speed, figures, f"{args.runs} rounds{title}")
    (args.out / "table.md").write_text(text + "\n")
    print(text)


def table(entrants, results, speed, figures, title):
    def ratio(contestant, key):
        pairs = zip(results[contestant.beside], results[contestant.name], strict=True)
        return f"{statistics.median(a[key] / b[key] for a, b in pairs):.2f}×"

    headings = [title, speed.heading, "min–max", *(f.heading for f in figures), "ours is faster by", "our RSS is"]
    lines = [row(headings), "|" + "---|" * len(headings)]
    for contestant in entrants:
        rounds = results[contestant.name]
        speeds = [result[speed.key] for result in rounds]
        lines.append(row([
            contestant.name, f"{statistics.median(speeds):{speed.form}}",
            f"{min(speeds):{speed.form}}–{max(speeds):{speed.form}}",
            *(f"{statistics.median(result[f.key] for result in rounds):{f.form}}" for f in figures),
            ratio(contestant, speed.key), ratio(contestant, PEAK.key)]))
    return "\n".join(lines)


def run(line, environment=None):
    """Runs a command line, quietly unless it fails."""
    subprocess.run([str(word) for word in line], check=True, stdout=subprocess.DEVNULL, env=environment)


def row(cells):
    return "| " + " | ".join(cells) + " |"
