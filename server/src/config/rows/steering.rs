//! XDP and eBPF: what the kernel does for this server before its sockets do.

use crate::config::choices::{Xdp, XdpMode, XdpSteering};
use crate::config::guard::check_guard;
use crate::config::row::{Group, Text, checked_text, choice, directives, switch, text};

directives! {
    group Group::Steering, after engine;

    /// Kernel-side programs: off, auto = where they can be loaded, on = refuse to start without them.
    XDP: Xdp = choice::<Xdp>("xdp", Xdp::Off as u8).startup().boxcar_only();

    /// Interfaces to attach them to, separated by blanks or commas; auto = the loopback interface and that of the
    /// default route, as far as they carry an address of this server.
    XDP_INTERFACE: Text = text("xdp-interface", "auto").startup().boxcar_only();

    /// Where XDP runs: in the driver, in the kernel's generic path, or auto = in the driver if it can.
    XDP_MODE: XdpMode = choice::<XdpMode>("xdp-mode", XdpMode::Auto as u8).startup().boxcar_only();

    /// Which I/O thread serves a connection: off = the kernel's choice, queue = the one on the CPU that receives its
    /// packets, cpu = the one that a hash names, with the packets sent to its CPU. Needs `cpu-affinity`.
    XDP_STEERING: XdpSteering =
        choice::<XdpSteering>("xdp-steering", XdpSteering::Off as u8).startup().boxcar_only();

    /// Measure on the wire how long requests take until their reply leaves (LATENCY WIRE).
    XDP_PROBE: bool = switch("xdp-probe", true).boxcar_only();

    /// Drop packets for this server before the kernel's stack sees them: off, or any of `deny=PREFIX`,
    /// `allow=PREFIX` (the longest prefix decides) and `syn=N` (connections a second from one address, or one IPv6 /64).
    XDP_GUARD: Text = checked_text("xdp-guard", "off", check_guard).boxcar_only();
}
