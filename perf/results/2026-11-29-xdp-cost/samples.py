"""samples.py LABEL=BOXCAR...: in which of the programs' functions a sampling profile finds the processor.

Takes perf, and what network.py takes. 50 connections send GET without pipelining for up to four seconds.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter

from network import ON, benchmark, network, run, server

with network(), tempfile.TemporaryDirectory() as folder:
    for label, boxcar in (argument.split("=", 1) for argument in sys.argv[1:]):
        with server(boxcar, f"{ON} --xdp-mode driver"):
            benchmark(2000)
            command = f"perf record -q -F 9000 -e cpu-clock -a -o {folder}/perf.data -- sleep 4"
            perf = subprocess.Popen(command.split())
            time.sleep(0.3)
            benchmark(90_000)
            perf.wait()
            lines = run(f"perf script -i {folder}/perf.data -F ip,sym").splitlines()
            found = Counter(line.split()[1] for line in lines if "bpf_prog_" in line)
            for name, samples in found.most_common():
                print(f"{label} {samples:7} {name}")
