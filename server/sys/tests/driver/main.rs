//! One suite for every driver: each scenario runs over epoll, over io_uring with all its features, and over io_uring with each
//! feature switched off in turn, and with all of them off, as an old kernel would have it.

mod doorbells;
mod features;
mod harness;
mod lives;
mod reading;
mod traffic;

use boxcar_sys::{Backend, DriverOptions, Toggles};
use harness::Config;

fn epoll() -> Config {
    (Backend::Epoll, DriverOptions::default())
}

fn io_uring() -> Config {
    (Backend::IoUring, DriverOptions::default())
}

fn without(config: Config, toggle: &str) -> Config {
    let (backend, mut options) = config;
    *options.toggles.get_mut(toggle).expect("a toggle of this name") = false;
    (backend, options)
}

fn bare() -> Config {
    Toggles::NAMES.iter().fold(io_uring(), |config, toggle| without(config, toggle))
}

/// Runs every scenario under every configuration.
macro_rules! suite {
    ($($config:ident = $make:expr;)+) => {
        $(mod $config { suite!(@scenarios $make); })+
    };
    (@scenarios $make:expr) => {
        suite!(@tests $make;
            traffic::echo_with_many_connections
            traffic::echo_over_a_unix_socket
            traffic::echo_without_keeping_memory
            traffic::two_thousand_connections
            traffic::large_send_to_a_slow_reader
            traffic::tiny_queues_lose_nothing
            traffic::a_tiny_buffer_ring_runs_out_and_goes_on
            reading::half_close
            reading::pause_holds_back_and_resume_brings_everything
            reading::pausing_from_received_stops_at_each_piece
            reading::the_end_waits_for_the_end_of_the_pause
            reading::a_reset_is_an_error
            lives::close_with_a_send_in_flight
            lives::close_while_reading_is_paused
            lives::an_index_is_used_again
            lives::sending_to_a_dead_peer_fails
            lives::listeners_stop
            lives::dropped_with_everything_under_way
            lives::waits_as_long_as_asked
            doorbells::rung_by_other_threads
            doorbells::between_two_drivers
            doorbells::outliving_the_driver
        );
    };
    (@tests $make:expr; $($room:ident::$scenario:ident)+) => {
        use crate::*;
        $(#[test] fn $scenario() { crate::$room::$scenario(&$make); })+
    };
}

suite! {
    over_epoll = epoll();
    over_epoll_without_fine_timeouts = without(epoll(), "epoll_pwait2");
    over_io_uring = io_uring();
    without_single_issuer = without(io_uring(), "single_issuer");
    without_defer_taskrun = without(io_uring(), "defer_taskrun");
    without_any_taskrun = without(without(io_uring(), "defer_taskrun"), "coop_taskrun");
    without_no_sqarray = without(io_uring(), "no_sqarray");
    without_registered_ring = without(io_uring(), "registered_ring");
    without_multishot_accept = without(io_uring(), "multishot_accept");
    without_multishot_receive = without(io_uring(), "multishot_receive");
    without_buffer_ring = without(io_uring(), "buffer_ring");
    without_ring_send = without(io_uring(), "ring_send");
    without_skip_send_completions = without(io_uring(), "skip_send_completions");
    without_msg_ring = without(io_uring(), "msg_ring");
    without_no_iowait = without(io_uring(), "no_iowait");
    without_anything = bare();
}
