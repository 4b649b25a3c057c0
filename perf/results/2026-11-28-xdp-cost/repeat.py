"""repeat.py LABEL=BOXCAR...: what the programs cost when nothing else is in the processor's caches, as table rows.

Takes bpftool, and what network.py takes. The kernel runs the loaded programs of a running server a million times on one frame
(BPF_PROG_TEST_RUN); the least of three averages. The request is the same each time, so that all but the first count as retransmitted;
what that costs is what a stamp costs, less one reading of the clock.
"""

import re
import struct
import sys
import tempfile

from network import ON, PORT, network, run, server

SERVER, CLIENT = bytes([10, 77, 0, 1]), bytes([10, 77, 0, 2])


def frame(source, destination, ports, payload):
    tcp = struct.pack("!HHIIBBHHH", *ports, 1000, 1, 0x80, 0x18, 512, 0x1234, 0) + bytes(12)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 52 + payload, 1, 0x4000, 64, 6, 0, source, destination)
    return bytes(12) + b"\x08\x00" + ip + tcp + b"x" * payload


FRAMES = {
    "steer: another port": ("steer", frame(CLIENT, SERVER, (40000, PORT + 1), 37)),
    "steer: a request": ("steer", frame(CLIENT, SERVER, (40000, PORT), 37)),
    "steer: an acknowledgment": ("steer", frame(CLIENT, SERVER, (40000, PORT), 0)),
    "probe_out: a reply": ("probe_out", frame(SERVER, CLIENT, (PORT, 40000), 5)),
}


def average(program, data):
    number = re.match(r"\d+", run(f"bpftool prog show name {program}"))[0]
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        line = f"taskset -c 0 bpftool prog run id {number} data_in {file.name} repeat 1000000"
        return min(int(re.search(r"average\): (\d+)ns", run(line))[1]) for _ in range(3))


servers = [argument.split("=", 1) for argument in sys.argv[1:]]
print("| configuration | server | " + " | ".join(FRAMES) + " |\n|---" * 1 + "|---" * (len(FRAMES) + 1) + "|")
with network():
    for name, flags in {"count only": "--xdp-probe no", "probe, steering cpu": "--xdp-steering cpu"}.items():
        for label, boxcar in servers:
            with server(boxcar, f"{ON} --xdp-mode driver {flags}"):
                cells = [str(average(*of)) for of in FRAMES.values()]
            print(f"| {name} | {label} | " + " | ".join(cells) + " |")
