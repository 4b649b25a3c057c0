//! The maps. Their layouts and limits stand in `boxcar_ebpf_abi::layout`, their names in `boxcar_ebpf_abi::names`.

use aya_ebpf::btf_maps::{Array, CpuMap, HashMap, LpmTrie, LruHashMap, PerCpuArray, ReusePortSockArray};
use aya_ebpf::macros::btf_map;
use boxcar_ebpf_abi::histogram::Buckets;
use boxcar_ebpf_abi::layout::{
    ADDRESSES_MAX, Address, CLASSES, CPUS_MAX, Counters, FLOWS_MAX, Flow, FlowKey, GROUPS_MAX, Latency,
    Owner, PREFIXES_MAX, SOURCES_MAX, Settings, THREADS_MAX,
};

#[btf_map(name = "settings")]
pub static SETTINGS: Array<Settings, 1> = Array::new();

#[btf_map(name = "addresses")]
pub static ADDRESSES: HashMap<Address, u32, ADDRESSES_MAX> = HashMap::new();

#[btf_map(name = "thread_cpus")]
pub static THREAD_CPUS: Array<u32, THREADS_MAX> = Array::new();

#[btf_map(name = "cpu_threads")]
pub static CPU_THREADS: Array<u32, CPUS_MAX> = Array::new();

/// The loader makes it as large as the machine: the kernel refuses more entries than it has CPUs.
#[btf_map(name = "cpus")]
pub static CPUS: CpuMap<1> = CpuMap::new();

/// The same for `steer_frags`: the kernel lets no map of this kind serve both kinds of programs.
#[btf_map(name = "cpus_frags")]
pub static CPUS_FRAGS: CpuMap<1> = CpuMap::new();

#[btf_map(name = "listeners")]
pub static LISTENERS: ReusePortSockArray<{ GROUPS_MAX * THREADS_MAX }> = ReusePortSockArray::new();

#[btf_map(name = "counters")]
pub static COUNTERS: PerCpuArray<Counters, 1> = PerCpuArray::new();

#[btf_map(name = "flows")]
pub static FLOWS: LruHashMap<FlowKey, Flow, FLOWS_MAX> = LruHashMap::new();

#[btf_map(name = "latency")]
pub static LATENCY: PerCpuArray<Latency, CLASSES> = PerCpuArray::new();

#[btf_map(name = "latency_fine")]
pub static LATENCY_FINE: PerCpuArray<Buckets, CLASSES> = PerCpuArray::new();

#[btf_map(name = "prefixes")]
pub static PREFIXES: LpmTrie<Address, u32, PREFIXES_MAX> = LpmTrie::new();

#[btf_map(name = "syn_budgets")]
pub static SYN_BUDGETS: LruHashMap<Address, u64, SOURCES_MAX> = LruHashMap::new();

/// Read by user space only.
#[btf_map(name = "owner")]
pub static OWNER: Array<Owner, 1> = Array::new();

/// This CPU's counters.
#[inline(always)]
pub fn counters() -> Option<&'static mut Counters> {
    // SAFETY: an element of a per-CPU array lives as long as the program, and nothing else on this CPU touches it while
    // the program runs: XDP and tc programs run with bottom halves disabled.
    COUNTERS.get_ptr_mut(0).map(|counters| unsafe { &mut *counters })
}

/// Whether this is one of the server's addresses.
#[inline(always)]
pub fn is_own(address: &Address) -> bool {
    ADDRESSES.get_ptr(address).is_some()
}

/// Whether this is one of the server's ports.
#[inline(always)]
pub fn is_port(settings: &Settings, port: u16) -> bool {
    let [a, b, c, d] = settings.ports;
    port != 0 && (port == a || port == b || port == c || port == d)
}
