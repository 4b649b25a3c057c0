//! The grammar of `xdp-guard`.

use std::net::IpAddr;

/// Rules that fit the kernel-side table.
const RULES_MAX: usize = 4096;

/// What `xdp-guard` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardRules {
    /// Prefixes: an address, the number of its leading bits that count, and whether it is let in.
    pub prefixes: Vec<(IpAddr, u8, bool)>,
    /// SYNs a second from one source; 0 = any number.
    pub syn_budget: u32,
}

impl GuardRules {
    /// Reads the directive's text; `None` for `off`.
    ///
    /// # Errors
    /// What is wrong with the first rule that is wrong.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.trim().is_empty() || text.trim().eq_ignore_ascii_case("off") {
            return Ok(None);
        }
        let mut rules = Self::default();
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            let wrong = || format!("'{word}' is none of off, deny=PREFIX, allow=PREFIX, syn=1..1000000");
            match word.split_once('=').ok_or_else(wrong)? {
                ("deny", text) => rules.add(text, false).ok_or_else(wrong)?,
                ("allow", text) => rules.add(text, true).ok_or_else(wrong)?,
                ("syn", count) => {
                    let count = count.parse().ok().filter(|count| (1..=1_000_000).contains(count));
                    rules.syn_budget = count.ok_or_else(wrong)?;
                }
                _ => return Err(wrong()),
            }
        }
        if rules.prefixes.len() > RULES_MAX {
            return Err(format!("at most {RULES_MAX} prefixes"));
        }
        Ok(Some(rules))
    }

    fn add(&mut self, text: &str, allowed: bool) -> Option<()> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|&bits| bits <= most)?,
            None => most,
        };
        self.prefixes.push((address, bits, allowed));
        Some(())
    }
}

/// Checks the directive's text.
pub(super) fn check_guard(text: &str) -> Result<(), String> {
    GuardRules::parse(text).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        assert_eq!(GuardRules::parse("off"), Ok(None));
        assert_eq!(GuardRules::parse(" "), Ok(None));
        let rules = GuardRules::parse("deny=10.0.0.0/8, allow=10.1.2.3 syn=100 deny=2001:db8::/32");
        let rules = rules.unwrap().unwrap();
        assert_eq!(rules.syn_budget, 100);
        let v4 = |a, b, c, d| IpAddr::from([a, b, c, d]);
        assert_eq!(rules.prefixes[..2], [(v4(10, 0, 0, 0), 8, false), (v4(10, 1, 2, 3), 32, true)]);
        assert_eq!(rules.prefixes[2].1, 32);
    }

    #[test]
    fn nonsense_is_named() {
        for text in [
            "deny",
            "deny=",
            "deny=10.0.0.0/33",
            "deny=::/129",
            "allow=host",
            "syn=0",
            "syn=x",
            "pass=1.1.1.1",
        ] {
            assert!(GuardRules::parse(text).unwrap_err().contains(text), "{text}");
        }
    }
}
