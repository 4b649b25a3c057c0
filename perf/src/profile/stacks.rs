//! Folded stacks: how often, or how long, each call chain was seen; and what follows from them.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

/// Call chains, outermost frame first and the thread's name before it, joined by semicolons; with a weight each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stacks(BTreeMap<String, u64>);

/// What a function took of a thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The share of the thread's samples in which it was the one that ran. What the standard library has inlined into it
    /// counts as its own.
    pub own: f64,
    /// The share in which it, or something it had called, ran.
    pub total: f64,
}

/// A thread and its functions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// The thread's name.
    pub name: String,
    /// Its weight: samples.
    pub weight: u64,
    /// Those that took most themselves, most first.
    pub functions: Vec<Function>,
}

impl Stacks {
    /// Counts a call chain, `frames` innermost first, with `weight`.
    pub fn add(&mut self, thread: &str, frames: &[String], weight: u64) {
        let mut key = thread.replace(';', ",");
        // How the standard library starts a thread is the same for all of them, and deeper than what follows.
        let outermost =
            frames.iter().rposition(|frame| !starts_threads(frame)).map_or(frames.len(), |at| at + 1);
        for frame in frames[..outermost].iter().rev() {
            key.push(';');
            key.push_str(frame);
        }
        *self.0.entry(key).or_default() += weight;
    }

    /// All weights together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same with every weight multiplied.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Stacks {
        Stacks(
            self.0
                .iter()
                .map(|(key, &weight)| (key.clone(), (weight as f64 * factor).round() as u64))
                .collect(),
        )
    }

    /// One line each, as flame graph programs read them.
    pub fn folded(&self) -> String {
        let mut text = String::new();
        for (stack, weight) in &self.0 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{stack} {weight}");
        }
        text
    }

    /// What each function took itself, over all threads. What the standard library has inlined into it counts as its own.
    pub fn own(&self) -> BTreeMap<String, u64> {
        let mut own: BTreeMap<String, u64> = BTreeMap::new();
        for (stack, &weight) in &self.0 {
            let frames: Vec<&str> = stack.split(';').skip(1).collect();
            if let Some(name) = own_frame(&frames) {
                *own.entry(name.to_owned()).or_default() += weight;
            }
        }
        own
    }

    /// The `most` functions that took most, for each thread; threads with less than a 200th of the whole are left out.
    pub fn threads(&self, most: usize) -> Vec<Thread> {
        let mut threads: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
        for (stack, &weight) in &self.0 {
            let (thread, frames) = stack.split_once(';').unwrap_or((stack, ""));
            threads.entry(thread).or_default().push((frames, weight));
        }
        let all = self.total();
        let mut rows: Vec<Thread> = threads
            .into_iter()
            .map(|(name, stacks)| thread(name, &stacks, most))
            .filter(|thread| thread.weight * 200 >= all && thread.weight > 0)
            .collect();
        rows.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.name.cmp(&b.name)));
        rows
    }
}

fn thread(name: &str, stacks: &[(&str, u64)], most: usize) -> Thread {
    let mut functions: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut sum = 0;
    for &(frames, weight) in stacks {
        sum += weight;
        let frames: Vec<&str> = frames.split(';').filter(|frame| !frame.is_empty()).collect();
        // A function that calls itself is on the stack more than once, and took the time once.
        for frame in frames.iter().copied().collect::<HashSet<_>>() {
            functions.entry(frame).or_default().1 += weight;
        }
        if let Some(own) = own_frame(&frames) {
            functions.entry(own).or_default().0 += weight;
        }
    }
    let share = |weight: u64| weight as f64 / sum.max(1) as f64;
    let mut functions: Vec<Function> = functions
        .into_iter()
        .map(|(name, (own, total))| Function { name: name.to_owned(), own: share(own), total: share(total) })
        .collect();
    functions.sort_by(|a, b| b.own.total_cmp(&a.own).then_with(|| a.name.cmp(&b.name)));
    functions.truncate(most);
    functions.retain(|function| function.own > 0.0);
    Thread { name: name.to_owned(), weight: sum, functions }
}

/// The frame of a stack, outermost first, that the weight belongs to.
fn own_frame<'s>(frames: &[&'s str]) -> Option<&'s str> {
    frames.iter().rev().find(|frame| !of_standard_library(frame)).or(frames.last()).copied()
}

/// Whether a function stands between the beginning of a thread and what it is for.
fn starts_threads(name: &str) -> bool {
    of_standard_library(name) || ["start_thread", "clone3", "__clone3", "[unknown]"].contains(&name)
}

/// Whether a function is one that gets inlined into what really does the work: the standard library's own, or what it implements
/// for types that are its own or have no path, as `<u64 as core::convert::From<u8>>::from`.
fn of_standard_library(name: &str) -> bool {
    let library = |name: &str| {
        let name = name.trim_start_matches(['<', '&', '*', '[']);
        ["core::", "alloc::", "std::"].iter().any(|library| name.starts_with(library))
    };
    match name.strip_prefix('<').and_then(|implementation| implementation.split_once(" as ")) {
        Some((of, what)) => library(what) && (library(of) || !of.contains("::")),
        None => library(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks() -> Stacks {
        let mut stacks = Stacks::default();
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        stacks.add("io-0", &names(&["core::ptr::read", "parse", "serve", "main"]), 3);
        stacks.add("io-0", &names(&["serve", "serve", "main"]), 1);
        stacks.add("io-0", &names(&["serve", "serve", "main"]), 4);
        stacks.add("signals", &names(&["wait"]), 2);
        stacks
    }

    #[test]
    fn how_threads_are_started_is_left_out() {
        let mut stacks = Stacks::default();
        let frames = ["core::ptr::read", "parse", "serve", "std::thread::spawn::{{closure}}", "start_thread"];
        stacks.add("io-0", &frames.map(str::to_owned), 1);
        stacks.add("io-0", &["std::sys::futex::wait", "start_thread"].map(str::to_owned), 1);
        assert_eq!(
            stacks.folded(),
            "io-0;serve;parse;core::ptr::read 1\nio-0;start_thread;std::sys::futex::wait 1\n"
        );
    }

    #[test]
    fn chains_are_folded_outermost_first() {
        assert_eq!(
            stacks().folded(),
            "io-0;main;serve;parse;core::ptr::read 3\nio-0;main;serve;serve 5\nsignals;wait 2\n"
        );
    }

    #[test]
    fn inlined_library_code_counts_for_its_caller_and_recursion_once() {
        let threads = stacks().threads(10);
        let io = &threads[0];
        assert_eq!((io.name.as_str(), io.weight), ("io-0", 8));
        let row = |name: &str| io.functions.iter().find(|function| function.name == name);
        assert_eq!(row("parse").map(|f| (f.own, f.total)), Some((0.375, 0.375)));
        assert_eq!(row("serve").map(|f| (f.own, f.total)), Some((0.625, 1.0)));
        assert!(row("core::ptr::read").is_none());
        assert_eq!(threads[1].name, "signals");
    }

    #[test]
    fn what_the_standard_library_implements_for_itself_is_its_own() {
        for name in [
            "core::ptr::read",
            "<u64 as core::convert::From<u8>>::from",
            "<alloc::vec::Vec<T> as core::ops::Deref>::deref",
        ] {
            assert!(of_standard_library(name), "{name}");
        }
        for name in [
            "store::get",
            "<store::Key as core::hash::Hash>::hash",
            "<u64 as store::Hash>::hash",
            "__schedule_[k]",
        ] {
            assert!(!of_standard_library(name), "{name}");
        }
    }

    #[test]
    fn weights_can_be_scaled() {
        assert_eq!(stacks().scaled(0.5).total(), 2 + 3 + 1);
    }
}
