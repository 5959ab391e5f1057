//! What the client asks of a forge, against the contracts of three vendors, and what it does with one that does not keep its own.

use super::{REPOSITORY, TOKEN};
use std::time::Duration;
use tenantry::forge::{Client, CommitStatus, ForgeError, State};
use tenantry_schema::Secret;
use tenantry_schema::document::{Forge, ForgeKind, SecretName};
use tenantry_tests::rig::{FakeForge, Mood};

const KINDS: [ForgeKind; 3] = [ForgeKind::Github, ForgeKind::Gitlab, ForgeKind::Gitea];
const COMMIT: &str = "3f2a91c7d0e84b6fa1952c3387de01b46a9f0c52";

fn client(kind: ForgeKind, url: &str, repository: &str, token: &str) -> Client {
    let settings = Forge {
        kind,
        url: url.try_into().unwrap(),
        repository: repository.try_into().unwrap(),
        token: SecretName {
            secret: "forge_token".into(),
        },
        webhook: None,
    };
    Client::new(&settings, Secret::new(token.to_owned())).unwrap()
}

fn good(line: &str) -> CommitStatus {
    CommitStatus {
        state: State::Success,
        description: line.into(),
        target_url: "https://hub.example.com/verdicts/3f2a".into(),
    }
}

#[tokio::test]
async fn a_status_is_posted_and_read_back() {
    for kind in KINDS {
        let repository = if kind == ForgeKind::Gitlab {
            "acme/hosting/fleet"
        } else {
            REPOSITORY
        };
        let forge = FakeForge::start(kind, repository, TOKEN).await.unwrap();
        let client = client(kind, forge.url(), repository, &format!("{TOKEN}\n"));
        assert_eq!(client.current(COMMIT).await.unwrap(), None, "{kind:?}");
        let status = good("accepted; 2 customers — ünïcode");
        client.post(COMMIT, &status).await.unwrap();
        let stands = client.current(COMMIT).await.unwrap().unwrap();
        assert!(client.says(&stands, &status), "{kind:?} {stands:?}");
        assert!(!client.says(&stands, &good("other")));
        assert_eq!(stands.target_url, status.target_url);
        // The same again harms nobody: GitLab refuses it, and that is as good.
        client.post(COMMIT, &status).await.unwrap();
        for (state, word) in [
            (State::Failure, ["failure", "failed"]),
            (State::Error, ["error", "failed"]),
        ] {
            let wrong = CommitStatus {
                state,
                ..good("1 error")
            };
            client.post(COMMIT, &wrong).await.unwrap();
            let stands = client.current(COMMIT).await.unwrap().unwrap();
            assert!(word.contains(&stands.state.as_str()) && client.says(&stands, &wrong));
        }
        assert!(
            forge
                .posted()
                .iter()
                .all(|posted| posted.context == "tenantry")
        );
    }
}

#[tokio::test]
async fn github_itself_has_an_address_of_its_own() {
    let api = |url: &str| tenantry::forge::vendor(ForgeKind::Github).api(url);
    assert_eq!(api("https://github.com"), "https://api.github.com");
    assert_eq!(
        api("https://git.example.com"),
        "https://git.example.com/api/v3"
    );
    assert_eq!(
        api("https://github.com.example.com"),
        "https://github.com.example.com/api/v3"
    );
}

#[tokio::test]
async fn what_a_forge_refuses_is_told_apart() {
    for kind in KINDS {
        let forge = FakeForge::start(kind, REPOSITORY, TOKEN).await.unwrap();
        let right = client(kind, forge.url(), REPOSITORY, TOKEN);
        let wrong = client(kind, forge.url(), REPOSITORY, "another-token");
        assert!(
            matches!(
                wrong.post(COMMIT, &good("x")).await,
                Err(ForgeError::Token(_))
            ),
            "{kind:?}"
        );
        let elsewhere = client(kind, forge.url(), "acme/other", TOKEN);
        assert!(
            elsewhere
                .current(COMMIT)
                .await
                .unwrap_err()
                .is_about_a_commit()
        );
        forge.forgets(COMMIT);
        let error = right.post(COMMIT, &good("x")).await.unwrap_err();
        assert!(
            error.is_about_a_commit() && error.to_string().contains(COMMIT),
            "{error}"
        );
        forge.feels(Mood::Busy(7));
        assert!(
            matches!(right.current(COMMIT).await, Err(ForgeError::Busy(_, after)) if after == Duration::from_secs(7))
        );
        forge.feels(Mood::Busy(1_000_000));
        assert!(
            matches!(right.current(COMMIT).await, Err(ForgeError::Busy(_, after)) if after == Duration::from_hours(1))
        );
        for code in [500, 502, 503] {
            forge.feels(Mood::Down(code));
            let error = right.post(COMMIT, &good("x")).await.unwrap_err();
            assert!(
                matches!(&error, ForgeError::Unreachable(_, why) if why.contains(&code.to_string())),
                "{error}"
            );
        }
        for text in [
            "",
            "hello",
            "<html>sign in</html>",
            "[]",
            "[1, 2]",
            "{\"statuses\": 3}",
            "null",
        ] {
            forge.feels(Mood::Says(text.into()));
            if !(kind == ForgeKind::Gitlab && text.starts_with('[')) {
                assert!(
                    matches!(right.current(COMMIT).await, Err(ForgeError::Strange(..))),
                    "{kind:?} {text}"
                );
            }
            if !text.starts_with("{\"") {
                assert!(
                    matches!(
                        right.post(COMMIT, &good("x")).await,
                        Err(ForgeError::Strange(..))
                    ),
                    "{kind:?} {text}"
                );
            }
        }
        forge.feels(Mood::Says(format!("\"{}\"", "x".repeat(2 << 20))));
        assert!(
            matches!(right.current(COMMIT).await, Err(ForgeError::Strange(_, why)) if why.contains("1 MiB"))
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_stays_here() {
    for kind in KINDS {
        let thief = FakeForge::start(kind, REPOSITORY, TOKEN).await.unwrap();
        let forge = FakeForge::start(kind, REPOSITORY, TOKEN).await.unwrap();
        forge.feels(Mood::Elsewhere(format!(
            "{}/api/v1/repos/x?secret=1",
            thief.url()
        )));
        let client = client(kind, forge.url(), REPOSITORY, TOKEN);
        let error = client.current(COMMIT).await.unwrap_err();
        assert!(
            matches!(&error, ForgeError::Redirected(to) if to == thief.url()),
            "{error}"
        );
        assert!(client.post(COMMIT, &good("x")).await.is_err());
        assert_eq!(thief.requests(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_token_is_in_no_message() {
    for kind in KINDS {
        let forge = FakeForge::start(kind, REPOSITORY, TOKEN).await.unwrap();
        forge.feels(Mood::Echo);
        let client = client(kind, forge.url(), REPOSITORY, TOKEN);
        let error = client.post(COMMIT, &good("x")).await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains("I got") && !said.contains(TOKEN), "{said}");
    }
    let settings = Forge {
        kind: ForgeKind::Gitea,
        url: "http://127.0.0.1:1".try_into().unwrap(),
        repository: REPOSITORY.try_into().unwrap(),
        token: SecretName { secret: "x".into() },
        webhook: None,
    };
    let error = Client::new(&settings, Secret::new("two\nlines".into()))
        .err()
        .unwrap();
    assert_eq!(error, ForgeError::BadToken);
    // Nobody listens there.
    let down = Client::new(&settings, Secret::new(TOKEN.into())).unwrap();
    assert!(matches!(
        down.current(COMMIT).await,
        Err(ForgeError::Unreachable(..))
    ));
}
