"""throughput.py ROUNDS REQUESTS BOXCAR: throughput over veth and CPU time for each request, by configuration.

Takes what network.py takes. 50 connections send GET without pipelining; configurations take turns; medians of the rounds. CPU time is
that of the whole machine (client, server, kernel; /proc/stat counts it by 10 ms), and that of the server's process alone.
"""

import statistics
import sys

from network import ON, benchmark, network, server

CONFIGURATIONS = {
    "xdp off": "",
    "steering queue": f"{ON} --xdp-mode driver --xdp-probe no --xdp-steering queue",
    "steering cpu": f"{ON} --xdp-mode driver --xdp-probe no --xdp-steering cpu",
    "steering cpu, probe": f"{ON} --xdp-mode driver --xdp-steering cpu",
    "generic mode: steering cpu, probe": f"{ON} --xdp-mode generic --xdp-steering cpu",
}


def machine_ticks():
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _wait, irq, softirq = (int(word) for word in stat.readline().split()[1:8])
    return user + nice + system + irq + softirq


def server_ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return sum(int(word) for word in stat.read().rsplit(")", 1)[1].split()[11:13])


def measure(flags):
    with server(boxcar, flags) as child:
        benchmark(requests // 4)
        machine, own = machine_ticks(), server_ticks(child.pid)
        rate = benchmark(requests)
        machine, own = machine_ticks() - machine, server_ticks(child.pid) - own
    return rate, machine * 10_000 / requests, own * 10_000 / requests


rounds, requests, boxcar = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
found = {}
with network():
    for _ in range(rounds):
        for name, flags in CONFIGURATIONS.items():
            found.setdefault(name, []).append(measure(flags))
print("| configuration | GET/s | CPU us a GET, machine | CPU us a GET, server |\n|---|---|---|---|")
for name, figures in found.items():
    rate, machine, own = (statistics.median(column) for column in zip(*figures))
    print(f"| {name} | {rate:.0f} | {machine:.1f} | {own:.1f} |")
