#!/usr/bin/env bash
# measure.sh BOXCAR: what the kernel-side programs cost, as table rows. Takes root, iproute2, ethtool, bpftool, jq-free.
# Two namespaces joined by veth; redis-benchmark -t get, 50 connections, no pipelining. Nanoseconds a run are the kernel's own
# (kernel.bpf_stats_enabled, which adds some 20 to 30 ns to each run); busy is all CPU time of the machine.
set -euo pipefail
boxcar=$1
server=bxecosts client=bxecostc port=21900
requests=${REQUESTS:-100000}
cleanup() {
    [ -n "${pid:-}" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
    ip netns del $server 2>/dev/null || true
    ip netns del $client 2>/dev/null || true
    sysctl -qw kernel.bpf_stats_enabled=0
}
trap cleanup EXIT
ip netns add $server
ip netns add $client
ip -n $server link add wire numrxqueues 2 numtxqueues 2 type veth peer name wire netns $client numrxqueues 2 numtxqueues 2
ip -n $server addr add 10.77.0.1/24 dev wire
ip -n $client addr add 10.77.0.2/24 dev wire
for host in $server $client; do ip -n $host link set lo up; ip -n $host link set wire up; done
# Driver mode cannot redirect frames whose checksums are not filled in.
nsenter --net=/run/netns/$client ethtool -K wire tx off >/dev/null

# Busy ticks (10 ms) of all CPUs.
busy() { awk '/^cpu /{print $2+$3+$4+$7+$8}' /proc/stat; }
ns_per_run() { bpftool prog show name "$1" 2>/dev/null | awk '{for(i=1;i<NF;i++){if($i=="run_time_ns")t=$(i+1);if($i=="run_cnt")c=$(i+1)}} END{if(c>0)printf "%.0f (%d)",t/c,c;else printf "-"}'; }

row() {
    local name=$1
    shift
    nsenter --net=/run/netns/$server "$boxcar" --port $port --protected-mode no --save '' --io-threads 2 --cpu-affinity 0-1 "$@" >/dev/null 2>&1 &
    pid=$!
    sleep 1.5
    local bench="nsenter --net=/run/netns/$client redis-benchmark -h 10.77.0.1 -p $port -t get -c 50 --csv"
    sysctl -qw kernel.bpf_stats_enabled=0
    local before rate after
    $bench -n $((requests / 4)) >/dev/null 2>&1
    before=$(busy)
    rate=$($bench -n "$requests" 2>/dev/null | awk -F'"' '/GET/{print $4}')
    after=$(busy)
    sysctl -qw kernel.bpf_stats_enabled=1
    $bench -n $((requests / 2)) >/dev/null 2>&1
    printf '| %s | %.0f | %.1f | %s | %s |\n' "$name" "$rate" \
        "$(awk "BEGIN{print ($after-$before)*10000/$requests}")" "$(ns_per_run steer)" "$(ns_per_run probe_out)"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
}

echo '| configuration | GET/s | busy us a GET | steer, ns (runs) | probe_out, ns (runs) |'
echo '|---|---|---|---|---|'
on="--xdp on --xdp-interface wire"
row 'xdp off'
for mode in driver generic; do
    row "$mode: count only" $on --xdp-mode $mode --xdp-probe no
    row "$mode: steering cpu" $on --xdp-mode $mode --xdp-probe no --xdp-steering cpu
    row "$mode: probe" $on --xdp-mode $mode
    row "$mode: probe, steering cpu" $on --xdp-mode $mode --xdp-steering cpu
done
row 'xdp off'
