//! CPU lists and thread pinning.

use std::fmt;
use std::io;
use std::str::FromStr;

/// A set of CPU numbers, in ascending order, each once. Its text is the kernel's: `0-3,5`, with strides as `0-14:2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuList(Vec<usize>);

/// CPU numbers end here: the size of the C library's `cpu_set_t`.
pub const MAX_CPUS: usize = libc::CPU_SETSIZE as usize;

/// The text is no CPU list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{part}' is no CPU list: expected numbers below {MAX_CPUS} and ranges such as 0-3,5,8-14:2")]
pub struct CpuListError {
    part: String,
}

impl CpuList {
    /// The CPUs, ascending.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.0
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<usize> for CpuList {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> CpuList {
        let mut cpus: Vec<usize> = cpus.into_iter().collect();
        cpus.sort_unstable();
        cpus.dedup();
        CpuList(cpus)
    }
}

impl FromStr for CpuList {
    type Err = CpuListError;

    fn from_str(text: &str) -> Result<CpuList, CpuListError> {
        let parts = text.trim().split(',').filter(|part| !part.is_empty());
        let mut cpus = Vec::new();
        for part in parts {
            cpus.extend(parse_part(part.trim()).ok_or_else(|| CpuListError { part: part.to_owned() })?);
        }
        Ok(cpus.into_iter().collect())
    }
}

/// `5`, `0-3` or `0-14:2`.
fn parse_part(part: &str) -> Option<impl Iterator<Item = usize>> {
    let (range, stride) = match part.split_once(':') {
        Some((range, stride)) => (range, number(stride).filter(|&stride| stride > 0)?),
        None => (part, 1),
    };
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(range)?, number(range)?),
    };
    (first <= last).then(|| (first..=last).step_by(stride))
}

/// Digits only: the standard parser would also take a sign.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|&number| number < MAX_CPUS)
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        while let Some(&first) = rest.first() {
            let run = rest.iter().zip(first..).take_while(|&(&cpu, expected)| cpu == expected).count();
            let comma = if rest.len() == self.0.len() { "" } else { "," };
            match run {
                1 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{}", first + run - 1)?,
            }
            rest = &rest[run..];
        }
        Ok(())
    }
}

/// The CPUs that the calling thread may run on: what a container or taskset(1) left of the machine.
///
/// # Errors
/// What sched_getaffinity(2) says; `EINVAL` on machines with more than [`MAX_CPUS`] CPUs.
pub fn available_cpus() -> io::Result<CpuList> {
    // SAFETY: an all-zero cpu_set_t is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid for the size given.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: CPU_ISSET reads within the set for numbers below CPU_SETSIZE.
    Ok((0..MAX_CPUS).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect())
}

/// Lets the calling thread run on these CPUs only.
///
/// # Errors
/// `InvalidInput` when the list is empty or none of it exists or is allowed, else what sched_setaffinity(2) says.
pub fn pin_current_thread(cpus: &CpuList) -> io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus.cpus().iter().filter(|&&cpu| cpu < MAX_CPUS) {
        // SAFETY: CPU_SET writes within the set for numbers below CPU_SETSIZE.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the set is valid for the size given.
    if unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The CPU the calling thread is on, right now.
#[must_use]
pub fn current_cpu() -> Option<usize> {
    // SAFETY: no pointers are involved.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_printed() {
        for (text, printed) in [
            ("0-3,5", "0-3,5"),
            ("5,0-3", "0-3,5"),
            ("7", "7"),
            ("0-7:2", "0,2,4,6"),
            ("1,2,2,1", "1-2"),
            (" 0 , 1 ", "0-1"),
            ("", ""),
            ("1023", "1023"),
        ] {
            assert_eq!(text.parse::<CpuList>().unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["a", "3-1", "-1", "+1", "1-", "1024", "0-2:0", "1:2:3", "99999999999999999999"] {
            assert!(text.parse::<CpuList>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pinned_thread_stays_there() {
        let all = available_cpus().unwrap();
        let last: CpuList = all.cpus().last().copied().into_iter().collect();
        std::thread::spawn(move || {
            pin_current_thread(&last).unwrap();
            assert_eq!(available_cpus().unwrap(), last);
            assert_eq!(current_cpu(), last.cpus().first().copied());
            assert!(pin_current_thread(&CpuList::default()).is_err());
        })
        .join()
        .unwrap();
    }
}
