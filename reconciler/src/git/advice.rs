//! What to do about a remote that cannot be reached or refuses: the `git` program says what happened, in words of `ssh`, `curl` and many servers.

/// A sign in a complaint, and what it means.
const SIGNS: [(&str, &str); 11] = [
    (
        "host key verification failed",
        "the host key of the remote is not known, or not the one that is: compare it with what the forge publishes, and put it into the known_hosts of the hub's user",
    ),
    (
        "permission denied (",
        "the remote does not take the key of the hub's user: add its public half at the forge, with the right to write",
    ),
    (
        "could not read username",
        "the remote asks who is there, and Git knows nothing to say: set up `credential.helper` for the hub's user",
    ),
    (
        "could not read password",
        "the remote asks for a password, and Git knows none: set up `credential.helper` for the hub's user",
    ),
    (
        "authentication failed",
        "the remote does not take the user name and password: they are wrong, or have expired",
    ),
    (
        "returned error: 401",
        "the remote does not take the user name and password: they are wrong, or have expired",
    ),
    (
        "returned error: 403",
        "the remote knows who is there, and that is not enough: give the hub's user the right to write",
    ),
    (
        "certificate",
        "the remote's certificate is not trusted: `http.sslCAInfo` names an authority of your own",
    ),
    (
        "could not resolve host",
        "there is no such host, or no name server answers",
    ),
    ("connection refused", "nothing listens there"),
    (
        "connection timed out",
        "nothing answers there: a firewall, or the wrong address",
    ),
];

/// The complaint with a way out behind it, where one is known.
pub(super) fn advised(complaint: String) -> String {
    let lower = complaint.to_lowercase();
    match SIGNS.iter().find(|(sign, _)| lower.contains(sign)) {
        Some((_, advice)) => format!("{complaint} ({advice})"),
        None => complaint,
    }
}

#[cfg(test)]
mod tests {
    use super::advised;

    #[test]
    fn complaints_lead_to_a_way_out() {
        let cases = [
            (
                "Host key verification failed.; fatal: Could not read from remote repository.",
                "known_hosts",
            ),
            ("git@forge: Permission denied (publickey).", "public half"),
            (
                "fatal: could not read Username for 'https://forge': terminal prompts disabled",
                "credential.helper",
            ),
            (
                "fatal: Authentication failed for 'https://forge/'",
                "expired",
            ),
            ("server certificate verification failed", "sslCAInfo"),
        ];
        for (complaint, advice) in cases {
            let said = advised(complaint.to_owned());
            assert!(
                said.starts_with(complaint) && said.contains(advice),
                "{said}"
            );
        }
        assert_eq!(advised("main is protected".into()), "main is protected");
    }
}
