//! A commit object taken apart: the signature in its `gpgsig` header, and what was signed (`gitformat-signature(5)`).

const HEADER: &str = "gpgsig ";

/// A signature and the bytes that it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The PEM text.
    pub signature: String,
    /// The commit object without its signature.
    pub payload: Vec<u8>,
}

impl Signed {
    /// Takes the raw content of a commit object apart. None where it has no signature.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let header_end = raw.windows(2).position(|pair| pair == b"\n\n")? + 1;
        let (head, rest) = raw.split_at(header_end);
        let (mut payload, mut signature) = (Vec::with_capacity(raw.len()), None::<String>);
        let mut inside = false;
        for line in head.split_inclusive(|byte| *byte == b'\n') {
            if inside && line.starts_with(b" ") {
                let text = std::str::from_utf8(&line[1..]).ok()?;
                signature.get_or_insert_default().push_str(text);
                continue;
            }
            inside = false;
            match line.strip_prefix(HEADER.as_bytes()) {
                // Two signatures: which of them counts would be anybody's guess.
                Some(_) if signature.is_some() => return None,
                Some(first) => {
                    signature = Some(std::str::from_utf8(first).ok()?.to_owned());
                    inside = true;
                }
                None => payload.extend_from_slice(line),
            }
        }
        payload.extend_from_slice(rest);
        signature.map(|signature| Self { signature, payload })
    }
}

/// The content of a commit object with the signature `pem` put in.
pub(crate) fn with_signature(content: &[u8], pem: &str) -> Vec<u8> {
    let Some(end) = content.windows(2).position(|pair| pair == b"\n\n") else {
        return content.to_vec();
    };
    let (head, rest) = content.split_at(end + 1);
    let mut signed = head.to_vec();
    for (number, line) in pem.trim_end().lines().enumerate() {
        let lead = if number == 0 { HEADER } else { " " };
        signed.extend_from_slice(lead.as_bytes());
        signed.extend_from_slice(line.as_bytes());
        signed.push(b'\n');
    }
    signed.extend_from_slice(rest);
    signed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::NAMESPACE;
    use proptest::prelude::*;
    use tenantry_wire::{SigningKey, sshsig};

    fn signed_commit(content: &[u8], key: &SigningKey) -> Vec<u8> {
        with_signature(content, &sshsig::sign(key, NAMESPACE, content))
    }

    const COMMIT: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nsubject\n\ngpgsig not a header\n";

    #[test]
    fn what_is_signed_is_found_again() {
        assert_eq!(Signed::parse(COMMIT.as_bytes()), None);
        let key = SigningKey::generate(&mut rand::rng());
        let signed = signed_commit(COMMIT.as_bytes(), &key);
        let found = Signed::parse(&signed).unwrap();
        assert_eq!(found.payload, COMMIT.as_bytes());
        let trusted = [key.verifying_key().clone()];
        assert!(sshsig::verify(&trusted, NAMESPACE, &found.payload, &found.signature).is_ok());
        let twice = signed_commit(&signed, &key);
        assert_eq!(Signed::parse(&twice), None, "one signature, or none");
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(raw in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Signed::parse(&raw);
        }

        #[test]
        fn nothing_but_the_signature_is_taken_away(message in "[ -~\n]{0,80}") {
            let commit = format!("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\n{message}");
            let key = SigningKey::generate(&mut rand::rng());
            let signed = signed_commit(commit.as_bytes(), &key);
            prop_assert_eq!(Signed::parse(&signed).unwrap().payload, commit.into_bytes());
        }
    }
}
