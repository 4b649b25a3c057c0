"""Prints "PEER-ADDRESS PEER-PORT CPU" for each TCP connection of a process: the CPU that last handled a packet of it.

Takes duplicates of the process's sockets (pidfd_getfd), which is what a debugger may do, so that the process need not
help.
"""

import ctypes
import os
import socket
import sys

SYS_PIDFD_GETFD = 438
SO_INCOMING_CPU = 49

pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
process = os.pidfd_open(pid)
for name in os.listdir(f"/proc/{pid}/fd"):
    try:
        if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            continue
    except FileNotFoundError:
        continue
    copy = libc.syscall(SYS_PIDFD_GETFD, process, int(name), 0)
    if copy < 0:
        continue
    with socket.socket(fileno=copy) as connection:
        try:
            peer = connection.getpeername()
        except OSError:
            continue
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            print(peer[0], peer[1], connection.getsockopt(socket.SOL_SOCKET, SO_INCOMING_CPU))
