#!/usr/bin/env python3
"""One round of the generator's drivers against each other: measure.py OUT BASE_LOAD NEW_LOAD BOXCAR NULL [LOAD...]

Server on CPU 0, generator on CPU 1; every load is run by each variant in turn. One JSON line a run is appended to OUT."""
import json, random, socket, subprocess, sys, time

out, base, new, boxcar, null = sys.argv[1:6]
LOADS = {
    "open, depth 1, 65 k/s": ["--rate", "65000"],
    "closed, depth 1": [],
    "open, depth 16, 700 k/s": ["--rate", "700000", "--pipeline", "16", "--auto-batch"],
    "open, depth 16, 1 M/s": ["--rate", "1000000", "--pipeline", "16", "--auto-batch"],
    "closed, depth 64": ["--pipeline", "64"],
}
VARIANTS = {"before": [base], "epoll": [new, "--network", "epoll"], "io_uring": [new, "--network", "io_uring"]}
only = sys.argv[6:]


def ready(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nobody listens on {port}")


servers = {
    "boxcar": (7391, ["taskset", "-c", "0", boxcar, "--port", "7391", "--io-threads", "1", "--save", ""]),
    "null": (7392, ["taskset", "-c", "0", null, "--port", "7392", "--request-bytes", "36", "--reply", "get64"]),
}
for name, (port, command) in servers.items():
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ready(port)
        for load, flags in LOADS.items():
            if only and load not in only:
                continue
            order = list(VARIANTS)
            random.shuffle(order)
            for variant in order:
                command = VARIANTS[variant] + ["--port", str(port), "--cpus", "1", "--duration", "1.5", "--warmup", "0.3",
                    "--quiet", "--json", "-", "--server-pid", str(server.pid), *flags] + (["--preload"] if name == "boxcar" else [])
                got = subprocess.run(command, capture_output=True, text=True)
                if got.returncode not in (0, 2):
                    print(got.stderr, file=sys.stderr)
                    continue
                report = json.loads(got.stdout)
                report.pop("percentiles")
                with open(out, "a") as file:
                    file.write(json.dumps({"against": name, "load": load, "variant": variant, **report}) + "\n")
    finally:
        server.terminate()
        server.wait()
