"""measure.py CONFIGURATIONS ROUNDS REQUESTS LABEL=BOXCAR...: what a run of the kernel-side programs costs, as table rows.

Takes bpftool, and what network.py takes. 50 connections send GET without pipelining. Configurations and servers take turns; each
figure is the median of the rounds: nanoseconds a run as the kernel counts them (kernel.bpf_stats_enabled). `nothing` are
programs that do nothing in the same places (empty.py). CONFIGURATIONS are names from the table below, by commas, or `all`.
"""

import os
import re
import statistics
import subprocess
import sys
import time

from network import ON, SERVER, benchmark, inside, network, run, server

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIGURATIONS = {
    "nothing": "",
    "driver: count only": f"{ON} --xdp-mode driver --xdp-probe no",
    "driver: steering cpu": f"{ON} --xdp-mode driver --xdp-probe no --xdp-steering cpu",
    "driver: probe": f"{ON} --xdp-mode driver",
    "driver: probe and steering cpu": f"{ON} --xdp-mode driver --xdp-steering cpu",
    "generic: probe and steering cpu": f"{ON} --xdp-mode generic --xdp-steering cpu",
}


def cost(program):
    found = subprocess.run(f"bpftool prog show name {program}".split(), capture_output=True, text=True).stdout
    nanos, runs = (re.findall(rf"{word} (\d+)", found) for word in ("run_time_ns", "run_cnt"))
    return int(nanos[0]) / int(runs[0]) if nanos and int(runs[0]) > 100 else None


def measure(boxcar, flags, requests):
    try:
        with server(boxcar, flags):
            benchmark(requests // 4)
            run("sysctl -qw kernel.bpf_stats_enabled=1")
            if flags:
                benchmark(requests)
                return cost("steer"), cost("probe_out")
            line = inside(SERVER, f"python3 {HERE}/empty.py wire 4")
            empty = subprocess.Popen(line.split(), stdout=subprocess.PIPE, text=True)
            time.sleep(0.5)
            benchmark(requests)
            figures = re.findall(r"(\d+) \(", empty.communicate()[0])
            return tuple(float(figure) for figure in figures)
    finally:
        run("sysctl -qw kernel.bpf_stats_enabled=0")


wanted, rounds, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
servers = [argument.split("=", 1) for argument in sys.argv[4:]]
if wanted != "all":
    CONFIGURATIONS = {name: CONFIGURATIONS[name] for name in wanted.split(",")}
found = {}
with network():
    for _ in range(rounds):
        for name, flags in CONFIGURATIONS.items():
            for label, boxcar in servers:
                found.setdefault((name, label), []).append(measure(boxcar, flags, requests))
print("| configuration | server | steer, ns | probe_out, ns |\n|---|---|---|---|")
for (name, label), figures in found.items():
    cells = []
    for column in zip(*figures):
        known = [figure for figure in column if figure is not None]
        cells.append(f"{statistics.median(known):.0f}" if known else "-")
    print(f"| {name} | {label} | " + " | ".join(cells) + " |")
