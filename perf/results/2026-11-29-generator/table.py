#!/usr/bin/env python3
"""Prints the table of perf/LOAD.md from a file of runs: table.py RUNS"""
import collections, json, statistics, sys

runs = collections.defaultdict(list)
for line in open(sys.argv[1]):
    run = json.loads(line)
    runs[run["against"], run["load"], run["variant"]].append(run)


def cell(load, variant, figure, digits):
    def middle(against):
        return f"{statistics.median(map(figure, runs[against, load, variant])):.{digits}f}"
    return " / ".join(middle(against) for against in ("boxcar", "null"))


print("| load | driver | generator CPU us/op | server CPU us/op | p50 us | p99 us | own delay p50 us | p99 us |")
print("| :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: |")
for load in dict.fromkeys(load for _, load, _ in runs):
    for variant in ("before", "epoll", "io_uring"):
        delays = ["-", "-"]
        if load.startswith("open"):
            delays = [cell(load, variant, lambda run: run["own_delay_us"][name], 0) for name in ("p50", "p99")]
        figures = [
            cell(load, variant, lambda run: run["generator"]["us_per_op"], 3),
            cell(load, variant, lambda run: run["server"]["us_per_op"], 3),
            cell(load, variant, lambda run: run["latency_us"]["p50"], 0),
            cell(load, variant, lambda run: run["latency_us"]["p99"], 0),
        ]
        print("|", " | ".join([load, variant, *figures, *delays]), "|")
