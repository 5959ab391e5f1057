//! Webhooks: whether a request was sent by the forge. What it says is not looked at: it is a hint to fetch, no more.
//!
//! Formats: GitHub "Validating webhook deliveries" (`X-Hub-Signature-256: sha256=<hex>`), Gitea and Forgejo "Webhooks" (`X-Gitea-Signature: <hex>`,
//! `X-Forgejo-Signature`), both HMAC-SHA-256 over the raw body; GitLab "Webhooks" (`X-Gitlab-Token`, the secret itself).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use tenantry_schema::Secret;
use tenantry_schema::document::ForgeKind;

/// Shortest secret that is taken, in bytes: a shorter one could be guessed.
const SHORTEST: usize = 8;

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HookRefusal {
    /// It carries no signature.
    #[error("the request is not signed")]
    Unsigned,
    /// Its signature is another's.
    #[error("the signature is not that of the secret in fleet/secrets.yaml")]
    Forged,
}

/// Knows the secret of a forge's webhooks.
pub struct Hook {
    kind: ForgeKind,
    key: hmac::Key,
    secret: Secret,
}

/// Takes in a body piece by piece; nothing of it is kept.
pub struct Checking {
    claimed: Claimed,
    context: hmac::Context,
}

enum Claimed {
    /// Over the body.
    Signature(Vec<u8>),
    /// The secret itself was right.
    Token,
}

impl Hook {
    /// For the webhooks of a forge. None where the secret is too short to keep anybody out.
    pub fn new(kind: ForgeKind, secret: Secret) -> Option<Self> {
        let bytes = secret.expose().trim().as_bytes();
        (bytes.len() >= SHORTEST).then(|| Self {
            kind,
            key: hmac::Key::new(hmac::HMAC_SHA256, bytes),
            secret: secret.clone(),
        })
    }

    /// The vendor whose webhooks it knows.
    pub fn kind(&self) -> ForgeKind {
        self.kind
    }

    /// Begins to check a request by its headers, before anything of the body is read. `header` answers with the value of a header.
    pub fn begin<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h [u8]>,
    ) -> Result<Checking, HookRefusal> {
        let claimed = match self.kind {
            ForgeKind::Gitlab => {
                let token = header("x-gitlab-token").ok_or(HookRefusal::Unsigned)?;
                let secret = self.secret.expose().trim().as_bytes();
                verify_slices_are_equal(token, secret).map_err(|_| HookRefusal::Forged)?;
                Claimed::Token
            }
            ForgeKind::Github => {
                let value = header("x-hub-signature-256").ok_or(HookRefusal::Unsigned)?;
                let value = value.strip_prefix(b"sha256=").ok_or(HookRefusal::Forged)?;
                signature(value)?
            }
            ForgeKind::Gitea => {
                let value = header("x-gitea-signature").or_else(|| header("x-forgejo-signature"));
                signature(value.ok_or(HookRefusal::Unsigned)?)?
            }
        };
        Ok(Checking {
            claimed,
            context: hmac::Context::with_key(&self.key),
        })
    }
}

impl Checking {
    /// Takes in the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.context.update(piece);
    }

    /// Whether the forge sent it all.
    pub fn finish(self) -> Result<(), HookRefusal> {
        match self.claimed {
            Claimed::Token => Ok(()),
            Claimed::Signature(claimed) => {
                let tag = self.context.sign();
                verify_slices_are_equal(tag.as_ref(), &claimed).map_err(|_| HookRefusal::Forged)
            }
        }
    }
}

/// 32 bytes in hexadecimal.
fn signature(text: &[u8]) -> Result<Claimed, HookRefusal> {
    match hex::decode(text) {
        Ok(bytes) if bytes.len() == 32 => Ok(Claimed::Signature(bytes)),
        _ => Err(HookRefusal::Forged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn hook(kind: ForgeKind) -> Hook {
        Hook::new(kind, Secret::new(SECRET.to_owned())).unwrap()
    }

    fn check(hook: &Hook, name: &str, value: &str, body: &[u8]) -> Result<(), HookRefusal> {
        let mut checking = hook.begin(|asked| (asked == name).then_some(value.as_bytes()))?;
        body.chunks(5).for_each(|piece| checking.update(piece));
        checking.finish()
    }

    #[test]
    fn what_the_forge_signed_is_taken() {
        let github = hook(ForgeKind::Github);
        let signed = format!("sha256={TAG}");
        assert_eq!(check(&github, "x-hub-signature-256", &signed, BODY), Ok(()));
        let gitea = hook(ForgeKind::Gitea);
        assert_eq!(check(&gitea, "x-gitea-signature", TAG, BODY), Ok(()));
        assert_eq!(check(&gitea, "x-forgejo-signature", TAG, BODY), Ok(()));
        let gitlab = hook(ForgeKind::Gitlab);
        assert_eq!(
            check(&gitlab, "x-gitlab-token", SECRET, b"anything"),
            Ok(())
        );
    }

    #[test]
    fn nothing_else_is() {
        let github = hook(ForgeKind::Github);
        let signed = format!("sha256={TAG}");
        let forged = Err(HookRefusal::Forged);
        assert_eq!(
            check(&github, "x-hub-signature-256", &signed, b"Hello, World?"),
            forged
        );
        assert_eq!(check(&github, "x-hub-signature-256", TAG, BODY), forged);
        assert_eq!(
            check(&github, "x-hub-signature-256", "sha256=", BODY),
            forged
        );
        assert_eq!(
            check(&github, "x-hub-signature-256", "sha256=zz", BODY),
            forged
        );
        // SHA-1, as GitHub sends it as well, is no longer enough.
        assert_eq!(
            check(&github, "x-hub-signature", "sha1=00", BODY),
            Err(HookRefusal::Unsigned)
        );
        let gitlab = hook(ForgeKind::Gitlab);
        assert_eq!(
            check(&gitlab, "x-gitlab-token", "It's a Secret", BODY),
            forged
        );
        assert_eq!(check(&gitlab, "x-gitlab-token", "", BODY), forged);
        assert!(Hook::new(ForgeKind::Gitlab, Secret::new(" \n".to_owned())).is_none());
    }

    proptest! {
        #[test]
        fn a_guess_is_refused(guess in proptest::collection::vec(any::<u8>(), 0..80), body in proptest::collection::vec(any::<u8>(), 0..80)) {
            for kind in [ForgeKind::Github, ForgeKind::Gitea, ForgeKind::Gitlab] {
                let hook = hook(kind);
                let said = hook.begin(|_| Some(guess.as_slice())).and_then(|mut checking| {
                    checking.update(&body);
                    checking.finish()
                });
                prop_assert!(said.is_err());
            }
        }
    }
}
