"""measure.py RAW ROUNDS REQUESTS LABEL=BOXCAR...: what the kernel-side programs cost, by configuration and server.

Takes bpftool, and what network.py takes. 50 connections send GET without pipelining; configurations and servers take turns. Each turn
starts a server and loads it twice: once as it is, for throughput and CPU time, and once while the kernel counts what programs take
(kernel.bpf_stats_enabled). Turns are appended to the file RAW, one JSON line each; the table printed is made of the medians of all turns in
it, with the least and the largest.

- steer, probe_out: nanoseconds a run. `xdp off` has programs that do nothing in the same places (empty.py): the price of counting.
- GET/s: requests a second.
- machine, server: microseconds of CPU time a request, of the whole machine (client, server, kernel; counted by 10 ms) and of the
  server's process.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time

from network import ON, SERVER, benchmark, inside, network, run, server

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIGURATIONS = {
    "xdp off": "",
    "driver: count only": f"{ON} --xdp-mode driver --xdp-probe no",
    "driver: steering cpu": f"{ON} --xdp-mode driver --xdp-probe no --xdp-steering cpu",
    "driver: probe": f"{ON} --xdp-mode driver",
    "driver: probe, steering cpu": f"{ON} --xdp-mode driver --xdp-steering cpu",
    "generic: probe, steering cpu": f"{ON} --xdp-mode generic --xdp-steering cpu",
}


def cost(program):
    found = subprocess.run(f"bpftool prog show name {program}".split(), capture_output=True, text=True).stdout
    nanos, runs = (re.findall(rf"{word} (\d+)", found) for word in ("run_time_ns", "run_cnt"))
    return int(nanos[0]) / int(runs[0]) if nanos and int(runs[0]) > 100 else None


def machine_ticks():
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _wait, irq, softirq = (int(word) for word in stat.readline().split()[1:8])
    return user + nice + system + irq + softirq


def server_ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return sum(int(word) for word in stat.read().rsplit(")", 1)[1].split()[11:13])


def costs(flags):
    try:
        run("sysctl -qw kernel.bpf_stats_enabled=1")
        if flags:
            benchmark(requests)
            return cost("steer"), cost("probe_out")
        line = inside(SERVER, f"python3 {HERE}/empty.py wire 2")
        empty = subprocess.Popen(line.split(), stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        benchmark(requests)
        return tuple(float(figure) for figure in re.findall(r"(\d+) \(", empty.communicate()[0]))
    finally:
        run("sysctl -qw kernel.bpf_stats_enabled=0")


def measure(boxcar, flags):
    with server(boxcar, flags) as child:
        benchmark(requests // 4)
        machine, own = machine_ticks(), server_ticks(child.pid)
        rate = benchmark(requests)
        machine, own = machine_ticks() - machine, server_ticks(child.pid) - own
        return *costs(flags), rate, machine * 10_000 / requests, own * 10_000 / requests


raw, rounds, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
servers = [argument.split("=", 1) for argument in sys.argv[4:]]
with network(), open(raw, "a") as file:
    for _ in range(rounds):
        for name, flags in CONFIGURATIONS.items():
            for label, boxcar in servers[: len(servers) if flags else 1]:
                print(json.dumps([name, label if flags else "", measure(boxcar, flags)]), file=file, flush=True)

found = {}
with open(raw) as file:
    for name, label, figures in map(json.loads, file):
        found.setdefault((name, label), []).append(figures)
print("| configuration | server | turns | steer, ns | probe_out, ns | GET/s | machine, us | server, us |")
print("|---|---|---|---|---|---|---|---|")
for (name, label), turns in found.items():
    cells = []
    for place, column in enumerate(zip(*turns)):
        known = [figure for figure in column if figure is not None]
        form = ".1f" if place > 2 else ".0f"
        low, middle, high = (format(of(known), form) for of in (min, statistics.median, max)) if known else "---"
        cells.append(f"{middle} ({low} to {high})" if known else "-")
    print(f"| {name} | {label} | {len(turns)} | " + " | ".join(cells) + " |")
