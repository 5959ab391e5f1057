//! Machines whose kernel has no IPv6. nginx refuses to listen there by IPv6, and with it every site.

use std::path::Path;

/// The kernel's list of addresses (`if_inet6` of `proc_pid_net(5)`), which is there if it knows IPv6 at all. Where IPv6 is only switched off by
/// `net.ipv6.conf.all.disable_ipv6`, the list is empty, and nginx can listen.
const ADDRESSES: &str = "/proc/net/if_inet6";

/// Whether programs can listen by IPv6 on this machine. Only a restart changes it.
pub fn is_known_here() -> bool {
    Path::new(ADDRESSES).exists()
}

/// The configuration `text` as a machine can have it that knows IPv6, or does not.
pub fn as_known(text: &str, ipv6: bool) -> String {
    if ipv6 {
        text.to_owned()
    } else {
        left_out(text)
    }
}

/// The configuration `text` without lines that only say for IPv6 what the line above says for IPv4: `listen [::]:443 ssl;` below
/// `listen 443 ssl;`. An IPv6 address that stands alone stays, for it was asked for: nginx says that it cannot have it, where otherwise it would
/// listen at port 80 instead.
pub fn left_out(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut above = "";
    for line in text.split_inclusive('\n') {
        if !is_twin(line.trim(), above) {
            kept.push_str(line);
            above = line.trim();
        }
    }
    kept
}

fn is_twin(line: &str, above: &str) -> bool {
    let of_ipv6 = line.strip_prefix("listen [::]:");
    of_ipv6.is_some_and(|rest| above.strip_prefix("listen ") == Some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_twins_are_left_out() {
        let both = "server {\n    listen 80;\n    listen [::]:80;\n    server_name a;\n}\nserver {\n    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n}\n";
        let one = "server {\n    listen 80;\n    server_name a;\n}\nserver {\n    listen 443 ssl http2;\n}\n";
        assert_eq!(left_out(both), one);
        assert_eq!(left_out(one), one);
        for alone in [
            "listen [::]:80;\n",
            "listen 80;\nlisten [::]:81;\n",
            "listen 80;\nlisten [::]:80 ssl;\n",
            "listen 80;\nlisten [::1]:80;\n",
            "listen 80;\nserver_name a;\nlisten [::]:80;",
            "# listen 80;\nlisten [::]:80;\n",
            "",
        ] {
            assert_eq!(left_out(alone), alone);
        }
    }

    proptest! {
        /// Whatever a template makes of it: nothing but such lines goes, and what is left has none.
        #[test]
        fn nothing_else_is_touched(lines in prop::collection::vec(
            prop_oneof![
                Just("  listen 80;"), Just("  listen [::]:80;"), Just("listen 443 ssl;"), Just("listen [::]:443 ssl;"), Just("}"), Just("\t"),
            ],
            0..20,
        )) {
            let text = lines.join("\n");
            let once = left_out(&text);
            prop_assert_eq!(&left_out(&once), &once);
            let others = |text: &str| {
                let all = text.lines().filter(|line| !line.contains("[::]"));
                all.map(str::to_owned).collect::<Vec<_>>()
            };
            prop_assert_eq!(others(&once), others(&text));
        }
    }
}
