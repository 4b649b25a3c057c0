//! Measuring Boxcar: the load generator, the null server, and the benchmark runs built from the two.
//!
//! * [`load`] drives any server that speaks RESP, in a closed loop (as fast as the replies come) or an open one
//!   (at a fixed rate, with latency counted from the moment a request *should* have left). Binary `boxcar-load`.
//! * [`null`] serves fixed replies by the number of bytes received: the kernel's own limit. Binary `boxcar-null`.
//! * [`mod@bench`] runs servers in turns and compares what they spend. Binary `boxcar-bench`.
//! * [`cost`] reads what a process or a thread has spent of the CPU: throughput moves with the machine's mood, CPU time
//!   per operation much less.
//! * [`counters`] counts what the processor and the kernel count for a process, and names what this machine cannot count.
//! * [`profile`] records a server under load: flame graphs, time off the CPU, system calls. Binary `boxcar-profile`.

#![forbid(unsafe_code)]

pub mod bench;
pub mod cost;
pub mod counters;
pub mod load;
pub mod null;
pub mod profile;
pub mod report;
pub mod tracefs;
