//! What this machine and its interfaces allow.

use super::SteeringError;
use boxcar_ebpf_abi::layout::Address;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_indextoname, if_nametoindex};
use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// An interface to attach to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number, which no other interface of this namespace gets after it.
    pub index: u32,
    /// No hardware of its own, as far as can be seen: veth, tap, bridge, loopback, virtio. Such devices hand over frames
    /// whose checksums are not filled in yet.
    pub is_virtual: bool,
}

/// Whether this process may load and attach programs.
pub fn check_privileges() -> Result<(), SteeringError> {
    const NET_ADMIN: u64 = 1 << 12;
    const SYS_ADMIN: u64 = 1 << 21;
    // Without it the kernel's verifier forbids much that compilers do: it takes programs for a danger to the machine's secrets.
    const PERFMON: u64 = 1 << 38;
    const BPF: u64 = 1 << 39;
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|source| SteeringError::System { what: "reading the process's capabilities", source })?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    if effective & (BPF | SYS_ADMIN) == 0 {
        return Err(SteeringError::Privileges("CAP_BPF"));
    }
    if effective & (PERFMON | SYS_ADMIN) == 0 {
        return Err(SteeringError::Privileges("CAP_PERFMON"));
    }
    if effective & NET_ADMIN == 0 {
        return Err(SteeringError::Privileges("CAP_NET_ADMIN"));
    }
    Ok(())
}

fn interfaces() -> Result<Vec<InterfaceAddress>, SteeringError> {
    let all = getifaddrs()
        .map_err(|error| SteeringError::System { what: "listing the interfaces", source: error.into() })?;
    Ok(all.collect())
}

fn ip_of(entry: &InterfaceAddress) -> Option<IpAddr> {
    let address = entry.address.as_ref()?;
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

/// An address as it lies in the maps.
pub fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(v4) => Address::v4(v4.octets()),
        IpAddr::V6(v6) => Address::v6(v6.octets()),
    }
}

/// The addresses that the server answers on: those it is bound to, and in place of a wildcard those that the machine has
/// now. A packet for any other is not ours, even if it comes through this machine.
pub fn own_addresses(bound: &[IpAddr]) -> Result<BTreeSet<IpAddr>, SteeringError> {
    let mut own: BTreeSet<IpAddr> = bound.iter().copied().filter(|ip| !ip.is_unspecified()).collect();
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let (any_v4, any_v6) = (bound.contains(&v4), bound.contains(&v6));
    if any_v4 || any_v6 {
        let here = interfaces()?;
        own.extend(here.iter().filter_map(ip_of).filter(|ip| if ip.is_ipv4() { any_v4 } else { any_v6 }));
    }
    Ok(own)
}

/// The interfaces that `xdp-interface` names.
pub fn chosen_interfaces(directive: &str, own: &BTreeSet<IpAddr>) -> Result<Vec<Interface>, SteeringError> {
    let here = interfaces()?;
    let words = directive.split([' ', ',']).filter(|word| !word.is_empty());
    let mut names: Vec<String> = words.map(str::to_owned).collect();
    if names.is_empty() || names == ["auto"] {
        let carries = |entry: &&InterfaceAddress| ip_of(entry).is_some_and(|ip| own.contains(&ip));
        let default = default_route();
        let wanted = |entry: &&InterfaceAddress| {
            entry.flags.contains(InterfaceFlags::IFF_LOOPBACK)
                || default.as_ref() == Some(&entry.interface_name)
        };
        let found = here.iter().filter(carries).filter(wanted).map(|entry| entry.interface_name.clone());
        names = found.collect();
        if names.is_empty() {
            return Err(SteeringError::Directives(
                "xdp-interface auto: neither the loopback interface nor that of the default route carries an address of \
                 this server; name the interface"
                    .to_owned(),
            ));
        }
    }
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| interface(name, &here)).collect()
}

fn interface(name: String, here: &[InterfaceAddress]) -> Result<Interface, SteeringError> {
    let fail = |name: &str, reason: &str| {
        Err(SteeringError::Interface { name: name.to_owned(), reason: reason.to_owned() })
    };
    let mut entries = here.iter().filter(|entry| entry.interface_name == name).peekable();
    let Some(first) = entries.peek() else { return fail(&name, "there is none of this name") };
    if !first.flags.contains(InterfaceFlags::IFF_UP) {
        return fail(&name, "it is down");
    }
    let kind = entries.find_map(|entry| Some(entry.address.as_ref()?.as_link_addr()?.hatype()));
    // ARPHRD_ETHER and ARPHRD_LOOPBACK.
    if !matches!(kind, Some(1 | 772)) {
        return fail(&name, "its frames do not begin with an Ethernet header");
    }
    let is_virtual = is_virtual(&name);
    let Ok(index) = if_nametoindex(name.as_str()) else { return fail(&name, "it is gone") };
    Ok(Interface { name, index, is_virtual })
}

impl Interface {
    /// Whether it still exists, whatever it is called: under its name there may be another by now.
    pub fn is_there(&self) -> bool {
        // The wrapper takes the failure for an empty name.
        if_indextoname(self.index).is_ok_and(|name| !name.is_empty())
    }
}

/// What cannot be seen is taken for virtual: that costs speed, the other mistake would cost packets.
fn is_virtual(name: &str) -> bool {
    let driver = fs::read_link(Path::new("/sys/class/net").join(name).join("device/driver"));
    driver.map_or(true, |driver| driver.ends_with("virtio_net"))
}

/// The interface of the IPv4 default route.
fn default_route() -> Option<String> {
    let routes = fs::read_to_string("/proc/thread-self/net/route").ok()?;
    let mut lines = routes.lines().skip(1).map(str::split_ascii_whitespace);
    lines.find_map(|mut words| {
        let (name, destination) = (words.next()?, words.next()?);
        let mask = words.nth(5)?;
        (destination == "00000000" && mask == "00000000").then(|| name.to_owned())
    })
}

/// Names of VLANs on top of an interface. Their tags are taken off by hardware before XDP sees a frame, and would be lost
/// with a redirect in driver mode.
pub fn vlans_on(name: &str) -> Vec<String> {
    let Ok(config) = fs::read_to_string("/proc/thread-self/net/vlan/config") else { return Vec::new() };
    let rows = config.lines().skip(2).filter_map(|line| {
        let mut parts = line.split('|').map(str::trim);
        let (vlan, _id, below) = (parts.next()?, parts.next()?, parts.next()?);
        (below == name).then(|| vlan.to_owned())
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_addresses_are_ours_and_wildcards_are_what_is_here() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(own_addresses(&[ip("10.9.8.7")]).unwrap(), BTreeSet::from([ip("10.9.8.7")]));
        let v4 = own_addresses(&[ip("0.0.0.0")]).unwrap();
        assert!(v4.contains(&ip("127.0.0.1")) && v4.iter().all(IpAddr::is_ipv4), "{v4:?}");
    }

    #[test]
    fn the_loopback_interface_serves_and_others_are_refused_by_name() {
        let own = own_addresses(&["127.0.0.1".parse().unwrap()]).unwrap();
        let found = chosen_interfaces("auto", &own).unwrap();
        assert_eq!(found, [Interface { name: "lo".to_owned(), index: 1, is_virtual: true }]);
        assert!(found[0].is_there());
        assert!(!Interface { index: u32::MAX >> 1, ..found[0].clone() }.is_there());
        let error = chosen_interfaces("nosuch0", &own).unwrap_err().to_string();
        assert_eq!(error, "interface nosuch0: there is none of this name");
    }
}
