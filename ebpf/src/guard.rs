//! Who may not even reach the kernel's stack: denied prefixes, and sources with too many SYNs. Asked about segments for this
//! server only.

use crate::kernel::now;
use crate::log;
use crate::maps::{PREFIXES, SYN_BUDGETS};
use aya_ebpf::EbpfContext;
use aya_ebpf::btf_maps::lpm_trie::Key;
use boxcar_ebpf_abi::layout::{Address, Counters, PREFIX_ALLOW, PREFIX_DENY, Settings};
use boxcar_ebpf_abi::packet::{ACK, SYN, Segment};

const SECOND: u64 = 1_000_000_000;

/// Whether to drop the segment; counts when it says so.
#[inline(always)]
pub fn drops<C: EbpfContext>(
    ctx: &C,
    settings: &Settings,
    counters: &mut Counters,
    segment: &Segment,
) -> bool {
    match PREFIXES.get(&Key::new(128, segment.source)) {
        Some(&PREFIX_ALLOW) => return false,
        Some(&PREFIX_DENY) => {
            counters.guard_denied += 1;
            log::denied(ctx, &segment.source);
            return true;
        }
        _ => {}
    }
    let opens = segment.flags & (SYN | ACK) == SYN;
    if opens && settings.syn_budget != 0 && over_budget(&segment.source, settings.syn_budget) {
        counters.guard_limited += 1;
        log::limited(ctx, &segment.source);
        return true;
    }
    false
}

/// Counts one SYN of a source: whether that is more than `budget` a second, with bursts of a second's worth. An IPv6 source is
/// its /64, since who owns one address there owns them all.
#[inline(always)]
fn over_budget(source: &Address, budget: u32) -> bool {
    let mut source = *source;
    if !source.is_v4() {
        source.words[2] = 0;
        source.words[3] = 0;
    }
    let now = now();
    let cost = SECOND / u64::from(budget);
    let Some(due) = SYN_BUDGETS.get_ptr_mut(source) else {
        // A full table displaces its oldest source; if even that fails, the SYN is let in.
        let _unlimited = SYN_BUDGETS.insert(source, now + cost, 0);
        return false;
    };
    // SAFETY: the element stays readable and writable for this run of the program. Two CPUs may count one SYN as one less:
    // the budget is a bound on load, not an account.
    let due = unsafe { &mut *due };
    let next = if *due > now { *due } else { now } + cost;
    if next - now > SECOND + cost {
        return true;
    }
    *due = next;
    false
}
