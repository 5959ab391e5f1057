//! Keys and SSH signatures against the real `ssh-keygen`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;
use ssh_key::public::{KeyData, SkEd25519};
use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tenantry_schema::key::{PersonKey, SshPublicKey};
use tenantry_wire::sshsig::{self, SshSigError};
use tenantry_wire::{KeyError, SigningKey, VerifyingKey};

fn key() -> SigningKey {
    SigningKey::generate(&mut rand::rng())
}

fn private_file(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("key");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Runs `ssh-keygen` with `message` as its input.
fn ssh_keygen(arguments: &[&str], message: &[u8], folder: &Path) -> Output {
    let input = folder.join("input");
    fs::write(&input, message).unwrap();
    Command::new("ssh-keygen")
        .args(arguments)
        .stdin(Stdio::from(fs::File::open(input).unwrap()))
        .output()
        .unwrap()
}

#[test]
fn ssh_keygen_reads_our_private_key_and_agrees_on_the_fingerprint() {
    let (folder, key) = (tempfile::tempdir().unwrap(), key());
    let path = private_file(folder.path(), key.to_openssh("tenantry test").expose());
    let shown = Command::new("ssh-keygen")
        .arg("-yf")
        .arg(&path)
        .output()
        .unwrap();
    let line = String::from_utf8(shown.stdout).unwrap();
    assert!(line.starts_with(key.public().as_str()), "{line}");
    assert!(line.contains("tenantry test"));
    let shown = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        String::from_utf8(shown.stdout)
            .unwrap()
            .contains(key.verifying_key().fingerprint())
    );
}

#[test]
fn we_read_what_ssh_keygen_generates() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, passphrase, expected) in [
        ("ed25519", "", None),
        ("ed25519", "x1y2z3", Some(KeyError::Encrypted)),
        ("ecdsa", "", Some(KeyError::Private)),
    ] {
        let path = folder.path().join(format!("{kind}{passphrase}"));
        let made = Command::new("ssh-keygen")
            .args(["-qt", kind, "-N", passphrase, "-C", "x", "-f"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        let read = SigningKey::from_openssh(&fs::read_to_string(&path).unwrap());
        assert_eq!(read.as_ref().err().copied(), expected, "{kind}");
        if let Ok(key) = read {
            let public = fs::read_to_string(path.with_extension("pub")).unwrap();
            assert_eq!(key.public(), SshPublicKey::try_from(public).unwrap());
        }
    }
}

#[test]
fn ssh_keygen_accepts_our_signatures() {
    let (folder, key) = (tempfile::tempdir().unwrap(), key());
    let signature = folder.path().join("sig");
    fs::write(&signature, sshsig::sign(&key, "tenantry-slice", b"hello")).unwrap();
    let signers = folder.path().join("signers");
    fs::write(
        &signers,
        format!("hub namespaces=\"tenantry-slice\" {}\n", key.public()),
    )
    .unwrap();
    let verify = |namespace: &str, message: &[u8]| {
        let arguments = [
            "-Y",
            "verify",
            "-f",
            signers.to_str().unwrap(),
            "-I",
            "hub",
            "-n",
            namespace,
            "-s",
            signature.to_str().unwrap(),
        ];
        ssh_keygen(&arguments, message, folder.path())
            .status
            .success()
    };
    assert!(verify("tenantry-slice", b"hello"));
    assert!(!verify("tenantry-slice", b"hellO"));
    assert!(!verify("git", b"hello"));
}

#[test]
fn we_accept_what_ssh_keygen_signs() {
    let (folder, key) = (tempfile::tempdir().unwrap(), key());
    let path = private_file(folder.path(), key.to_openssh("").expose());
    for hash in ["hashalg=sha512", "hashalg=sha256"] {
        let arguments = [
            "-Y",
            "sign",
            "-f",
            path.to_str().unwrap(),
            "-n",
            "approval",
            "-O",
            hash,
        ];
        let made = ssh_keygen(&arguments, b"wipe nextcloud", folder.path());
        let pem = String::from_utf8(made.stdout).unwrap();
        let trusted = [key.verifying_key().clone()];
        assert_eq!(
            sshsig::verify(&trusted, "approval", b"wipe nextcloud", &pem).unwrap(),
            &trusted[0]
        );
        assert_eq!(
            sshsig::verify(&trusted, "approval", b"wipe keycloak", &pem),
            Err(SshSigError::BadSignature)
        );
        assert!(matches!(
            sshsig::verify(&trusted, "git", b"wipe nextcloud", &pem),
            Err(SshSigError::Namespace(_))
        ));
        let others = [SigningKey::generate(&mut rand::rng())
            .verifying_key()
            .clone()];
        assert!(matches!(
            sshsig::verify(&others, "approval", b"wipe nextcloud", &pem),
            Err(SshSigError::WrongSigner(_))
        ));
    }
}

/// What a security key with the private half `key` signs for `namespace`, made by the book (`PROTOCOL.u2f`, `PROTOCOL.sshsig`): real ones need a finger.
fn touch(key: &SigningKey, application: &str, flags: u8, namespace: &str, text: &[u8]) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    use aws_lc_rs::signature::Ed25519KeyPair;
    let pem = key.to_openssh("");
    let private = ssh_key::PrivateKey::from_openssh(pem.expose()).unwrap();
    let seed = private.key_data().ed25519().unwrap().private.to_bytes();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let hash = HashAlg::Sha512;
    let data = SshSig::signed_data(namespace, hash, text).unwrap();
    let trailer = [flags, 0, 0, 1, 44];
    let mut signed = digest(&SHA256, application.as_bytes()).as_ref().to_vec();
    signed.extend(trailer);
    signed.extend(digest(&SHA256, &data).as_ref());
    let mut signature = pair.sign(&signed).as_ref().to_vec();
    signature.extend(trailer);
    let signature = Signature::new(Algorithm::SkEd25519, signature).unwrap();
    let made = SshSig::new(
        in_security_key(key, application),
        namespace,
        hash,
        signature,
    );
    made.unwrap().to_pem(LineEnding::LF).unwrap()
}

fn in_security_key(key: &SigningKey, application: &str) -> KeyData {
    let public = ssh_key::PublicKey::from_openssh(key.public().as_str()).unwrap();
    let half = *public.key_data().ed25519().unwrap();
    SkEd25519::new(half, application).into()
}

fn person(key: &SigningKey, application: &str) -> PersonKey {
    let line = ssh_key::PublicKey::from(in_security_key(key, application));
    PersonKey::try_from(line.to_openssh().unwrap()).unwrap()
}

#[test]
fn what_a_security_key_signs_is_accepted_as_ssh_keygen_does() {
    let (folder, key) = (tempfile::tempdir().unwrap(), key());
    let line = person(&key, "ssh:");
    let trusted = [VerifyingKey::try_from(&line).unwrap()];
    let pem = touch(&key, "ssh:", 1, "git", b"a commit");
    let file = folder.path().join("sig");
    fs::write(&file, &pem).unwrap();
    let signers = folder.path().join("signers");
    fs::write(&signers, format!("jo {line}\n")).unwrap();
    let (signers, file) = (signers.to_str().unwrap(), file.to_str().unwrap());
    for (text, good) in [(b"a commit", true), (b"a cOmmit", false)] {
        let arguments = [
            "-Y", "verify", "-f", signers, "-I", "jo", "-n", "git", "-s", file,
        ];
        let theirs = ssh_keygen(&arguments, text, folder.path());
        assert_eq!(theirs.status.success(), good);
        let ours = sshsig::verify(&trusted, "git", text, &pem);
        assert_eq!(ours.is_ok(), good, "{ours:?}");
        let said = String::from_utf8_lossy(&theirs.stdout);
        assert_eq!(said.contains(trusted[0].fingerprint()), good, "{said}");
    }
}

#[test]
fn a_security_key_counts_only_for_what_it_is() {
    let key = key();
    let mine = [VerifyingKey::try_from(&person(&key, "ssh:")).unwrap()];
    let check = |trusted: &[VerifyingKey], pem: &str| {
        sshsig::verify(trusted, "git", b"x", pem)
            .map(VerifyingKey::fingerprint)
            .map(str::to_owned)
    };
    assert!(check(&mine, &touch(&key, "ssh:", 5, "git", b"x")).is_ok());
    // Nobody touched it.
    let alone = touch(&key, "ssh:", 4, "git", b"x");
    assert_eq!(check(&mine, &alone), Err(SshSigError::BadSignature));
    // Made for something else than SSH: another key, though the halves are the same.
    let elsewhere = touch(&key, "https://shop.example", 1, "git", b"x");
    assert!(matches!(
        check(&mine, &elsewhere),
        Err(SshSigError::WrongSigner(_))
    ));
    // Nor is a file with the same halves that key, or that key such a file.
    let file = [key.verifying_key().clone()];
    let by_file = sshsig::sign(&key, "git", b"x");
    assert!(matches!(
        check(&mine, &by_file),
        Err(SshSigError::WrongSigner(_))
    ));
    let by_key = touch(&key, "ssh:", 1, "git", b"x");
    assert!(matches!(
        check(&file, &by_key),
        Err(SshSigError::WrongSigner(_))
    ));
    assert!(check(&file, &by_file).is_ok());
}

#[test]
fn keys_are_not_printed() {
    let key = key();
    let shown = format!("{key:?} {:?}", key.verifying_key());
    assert_eq!(shown.matches("SHA256:").count(), 2);
    assert_eq!(format!("{:?}", key.to_openssh("")), "[secret]");
    assert_eq!(
        VerifyingKey::try_from(&key.public()).unwrap(),
        *key.verifying_key()
    );
}

proptest! {
    #[test]
    fn any_text_is_answered(text in ".{0,200}", body in "[A-Za-z0-9+/=]{0,200}") {
        let trusted = [key().verifying_key().clone()];
        let _ = SigningKey::from_openssh(&text);
        let _ = sshsig::verify(&trusted, "n", b"", &text);
        let pem = format!("-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n");
        prop_assert!(sshsig::verify(&trusted, "n", b"", &pem).is_err());
        let pem = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n");
        prop_assert!(SigningKey::from_openssh(&pem).is_err());
        let line = format!("ssh-ed25519 {}", "A".repeat(68));
        prop_assert!(SshPublicKey::try_from(line).is_err());
    }

    #[test]
    fn a_changed_signature_is_refused(message in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let key = key();
        let pem = sshsig::sign(&key, "n", &message);
        let mut bytes = pem.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let trusted = [key.verifying_key().clone()];
        if let Ok(changed) = String::from_utf8(bytes) {
            // White space between lines does not count in PEM; everything else does.
            if changed.split_ascii_whitespace().collect::<Vec<_>>() != pem.split_ascii_whitespace().collect::<Vec<_>>() {
                prop_assert!(sshsig::verify(&trusted, "n", &message, &changed).is_err());
            }
        }
    }
}
