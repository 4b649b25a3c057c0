"""empty.py INTERFACE SECONDS: attaches programs that do nothing where Boxcar's would be, XDP in driver mode and tc on the way out,
and prints the nanoseconds a run that the kernel (kernel.bpf_stats_enabled=1) counts for them at the end.

That is the price of being measured: two readings of the clock and an update of the counters.
"""

import ctypes
import socket
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
SYS_BPF = 321
PROG_LOAD, LINK_CREATE, INFO = 5, 28, 15
TYPE_XDP, TYPE_SCHED_CLS = 6, 3
ATTACH_XDP, ATTACH_TCX_EGRESS = 37, 47


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, max(len(attributes), 128))
    result = libc.syscall(SYS_BPF, command, buffer, len(buffer))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return result


def load(kind, verdict, attach):
    # mov r0, verdict; exit
    code = struct.pack("<BBhi", 0xB7, 0, 0, verdict) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    code = ctypes.create_string_buffer(code, 16)
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack(
        "<IIQQIIQII16sII", kind, 2, ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0, 0, 0, b"nothing", 0, attach
    )
    return bpf(PROG_LOAD, attributes)


def attach(program, interface, kind, flags):
    return bpf(LINK_CREATE, struct.pack("<IIII", program, interface, kind, flags))


def cost(program):
    info = ctypes.create_string_buffer(256)
    bpf(INFO, struct.pack("<IIQ", program, 256, ctypes.addressof(info)))
    # run_time_ns and run_cnt of struct bpf_prog_info.
    nanos, runs = struct.unpack_from("<QQ", info.raw, 192)
    return f"{nanos / runs:.0f} ({runs})" if runs else "-"


interface = socket.if_nametoindex(sys.argv[1])
incoming = load(TYPE_XDP, 2, ATTACH_XDP)
outgoing = load(TYPE_SCHED_CLS, -1, ATTACH_TCX_EGRESS)
links = [attach(incoming, interface, ATTACH_XDP, 4), attach(outgoing, interface, ATTACH_TCX_EGRESS, 0)]
time.sleep(float(sys.argv[2]))
print(f"{cost(incoming)} | {cost(outgoing)}", flush=True)
