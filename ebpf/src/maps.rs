//! The maps. Their layouts and limits stand in `boxcar_ebpf_abi::layout`, their names in `boxcar_ebpf_abi::names`.

use aya_ebpf::btf_maps::{
    Array, CpuMap, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, ReusePortSockArray,
};
use aya_ebpf::macros::btf_map;
use boxcar_ebpf_abi::histogram::Buckets;
use boxcar_ebpf_abi::layout::{
    ADDRESSES_MAX, Address, CLASSES, CPUS_MAX, Counters, EVENTS, GROUPS_MAX, Latency, Owner, PREFIXES_MAX,
    SOURCES_MAX, Settings, THREADS_MAX,
};
use boxcar_ebpf_abi::table::{FlowSet, SETS};

/// The kernel puts the values of such a map on pages of their own, so that each element of 64 bytes is one cache line.
const MMAPABLE: usize = 1 << 10;

#[btf_map(name = "settings")]
pub static SETTINGS: Array<Settings, 1, MMAPABLE> = Array::new();

#[btf_map(name = "addresses")]
pub static ADDRESSES: HashMap<Address, u32, ADDRESSES_MAX> = HashMap::new();

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
pub static FLOWS: Array<FlowSet, SETS, MMAPABLE> = Array::new();

#[btf_map(name = "latency")]
pub static LATENCY: PerCpuArray<Latency, CLASSES> = PerCpuArray::new();

#[btf_map(name = "latency_fine")]
pub static LATENCY_FINE: PerCpuArray<Buckets, CLASSES> = PerCpuArray::new();

#[btf_map(name = "prefixes")]
pub static PREFIXES: LpmTrie<Address, u32, PREFIXES_MAX> = LpmTrie::new();

#[btf_map(name = "syn_budgets")]
pub static SYN_BUDGETS: LruHashMap<Address, u64, SOURCES_MAX> = LruHashMap::new();

#[btf_map(name = "log_due")]
pub static LOG_DUE: PerCpuArray<u64, EVENTS> = PerCpuArray::new();

/// `probe_out_any`, where `probe_out` jumps to.
#[btf_map(name = "ways_out")]
pub static WAYS_OUT: ProgramArray<1> = ProgramArray::new();

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
pub fn is_own(settings: &Settings, address: &Address) -> bool {
    settings.is_near(address) || ADDRESSES.get_ptr(address).is_some()
}
