"""Two namespaces joined by veth, for the measurements here. Takes root, iproute2, ethtool, redis-cli and redis-benchmark."""

import contextlib
import os
import subprocess
import time

SERVER, CLIENT, PORT = f"bxc{os.getpid()}s", f"bxc{os.getpid()}c", 23000
ON = "--xdp on --xdp-interface wire"


def run(line):
    return subprocess.run(line.split(), check=True, capture_output=True, text=True).stdout


def inside(host, line):
    return f"nsenter --net=/run/netns/{host} {line}"


@contextlib.contextmanager
def network():
    try:
        run(f"ip netns add {SERVER}")
        run(f"ip netns add {CLIENT}")
        queues = "numrxqueues 2 numtxqueues 2"
        run(f"ip -n {SERVER} link add wire {queues} type veth peer name wire netns {CLIENT} {queues}")
        for host, last in ((SERVER, 1), (CLIENT, 2)):
            run(f"ip -n {host} addr add 10.77.0.{last}/24 dev wire")
            run(f"ip -n {host} link set lo up")
            run(f"ip -n {host} link set wire up")
        # Driver mode cannot redirect frames whose checksums are not filled in.
        run(inside(CLIENT, "ethtool -K wire tx off"))
        yield
    finally:
        for host in (SERVER, CLIENT):
            subprocess.run(f"ip netns del {host}".split())


@contextlib.contextmanager
def server(boxcar, flags):
    line = f"{boxcar} --port {PORT} --protected-mode no --io-threads 2 --cpu-affinity 0-1 --dir /tmp {flags}"
    child = subprocess.Popen(inside(SERVER, line).split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answers = subprocess.run(inside(SERVER, f"redis-cli -p {PORT} PING").split(), capture_output=True)
        for _ in range(100):
            if b"PONG" in answers.stdout:
                break
            time.sleep(0.05)
            answers = subprocess.run(inside(SERVER, f"redis-cli -p {PORT} PING").split(), capture_output=True)
        else:
            raise RuntimeError(f"no answer: {line}")
        yield child
    finally:
        child.terminate()
        child.wait()


def benchmark(requests):
    """Requests a second."""
    command = f"redis-benchmark -h 10.77.0.1 -p {PORT} -t get -c 50 -n {requests} --csv"
    return float(run(inside(CLIENT, command)).splitlines()[-1].split(",")[1].strip('"'))
