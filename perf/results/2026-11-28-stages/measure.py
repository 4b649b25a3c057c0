"""measure.py ROUNDS REQUESTS BOXCAR [BEFORE]: what `latency-sample-rate` costs, as table rows.

Takes redis-benchmark and redis-cli. One server of each kind over loopback; rates take turns, and with them BEFORE, a server built
before there were stages. CPU time is that of all threads of the server's process; medians of the rounds.
"""

import os
import statistics
import subprocess
import sys
import time

rounds, requests, *servers = sys.argv[1:]
rounds, requests = int(rounds), int(requests)
PORTS = (21960, 21961)
COLUMNS = {"depth 1": "-c 20", "depth 16": "-c 20 -P 16"}


def run(line):
    return subprocess.run(line.split(), check=True, capture_output=True, text=True).stdout


def cpu_ns(pid):
    """CPU time of all threads, from the scheduler's own account."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as stat:
            total += int(stat.read().split()[0])
    return total


def cost(child, port, flags, count):
    before = cpu_ns(child.pid)
    run(f"redis-benchmark -p {port} -t get {flags} -n {count} --csv")
    return (cpu_ns(child.pid) - before) / count


children = []
found = {}
try:
    for port, boxcar in zip(PORTS, servers):
        flags = f"--port {port} --io-threads 1 --dir /tmp"
        children.append(subprocess.Popen([boxcar, *flags.split()], stdout=subprocess.DEVNULL))
    time.sleep(1)
    ways = [(0, "off", 0), (0, "one of 100", 100), (0, "every receive", 1)]
    if len(servers) > 1:
        ways.insert(0, (1, "before", None))
    for _ in range(rounds):
        for server, name, rate in ways:
            if rate is not None:
                run(f"redis-cli -p {PORTS[server]} config set latency-sample-rate {rate}")
            figures = [
                cost(children[server], PORTS[server], flags, requests * (8 if "-P" in flags else 1))
                for flags in COLUMNS.values()
            ]
            found.setdefault(name, []).append(figures)
finally:
    for child in children:
        child.terminate()
        child.wait()
print("| latency-sample-rate | " + " | ".join(f"ns a GET, {name}" for name in COLUMNS) + " |\n|---|---|---|")
for name, figures in found.items():
    print(f"| {name} | " + " | ".join(f"{statistics.median(column):.0f}" for column in zip(*figures)) + " |")
