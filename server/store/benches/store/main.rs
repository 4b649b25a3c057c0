//! What the store costs: `cargo bench -p boxcar-store -- <what>`.
//!
//! - `times [keys...]`: nanoseconds per operation, staged and unstaged, beside hashbrown (default 1000, 100000 and
//!   10000000 keys).
//! - `worst [keys]`: the slowest single inserts while growing from empty (default 4000000 keys).
//! - `memory [keys] [value bytes] [ttl]`: resident bytes per key.
//! - `expire [keys]`: removing expired keys, and how long each step holds a lock (default 5000000 keys).
//! - `sorted [members]`: sorted sets, beside the standard library (default 1000000 members).
//! - `locks`: the shard lock beside other locks.
//! - `count <operation>`: a loop for `valgrind --tool=callgrind --toggle-collect='*measured*'`.
//!
//! Keys are `key:%012d` (16 bytes) in random order, values 64 bytes, jemalloc underneath, as in the server.

mod clock;
mod expire;
mod locks;
mod memory;
mod sorted;
mod subject;
mod times;
mod worst;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |index: usize, default: usize| {
        arguments.get(index).map_or(default, |text| text.parse().expect("a number of keys or bytes"))
    };
    match arguments.first().map_or("times", String::as_str) {
        "times" if arguments.len() > 1 => (1..arguments.len()).for_each(|index| times::run(number(index, 0))),
        "times" => [1_000, 100_000, 10_000_000].into_iter().for_each(times::run),
        "worst" => worst::run(number(1, 4_000_000)),
        "memory" => {
            memory::run(number(1, 1_000_000), number(2, 64), arguments.get(3).is_some_and(|a| a == "ttl"));
        }
        "expire" => expire::run(number(1, 5_000_000)),
        "sorted" => sorted::run(number(1, 1_000_000)),
        "locks" => locks::run(),
        "count" => {
            let operation = arguments.get(1).map_or("get_hit", String::as_str);
            if !sorted::count(operation, number(2, 100_000)) {
                times::count(operation);
            }
        }
        other => panic!("unknown: {other} (times, worst, memory, expire, sorted, locks, count)"),
    }
}
