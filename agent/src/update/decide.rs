//! What to do about the agent's own program: pure.

use super::memory::Memory;
use jiff::{SignedDuration, Timestamp};
use tenantry_schema::document::{AgentRelease, Architecture, Release, Sha256};
use tenantry_schema::wire::AgentUpdate;

/// What could not be fetched or kept is tried again after so long.
const RETRY: SignedDuration = SignedDuration::from_mins(10);
/// A trial that was cut off (by a power cut, say) is begun again so often in all.
const MOST_TRIALS: u32 = 3;

/// Everything that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What the slice asks for.
    pub wanted: Option<&'a AgentRelease>,
    /// What this machine is; none: something else than programs are made for.
    pub architecture: Option<Architecture>,
    /// Release of this program.
    pub own: Release,
    /// Its digest; none: not known yet.
    pub own_digest: Option<&'a str>,
    /// What is remembered.
    pub memory: &'a Memory,
    /// The newest program that is here whole, by digest.
    pub here: Option<&'a Sha256>,
    /// The time.
    pub now: Timestamp,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: this is the program that is asked for, or none is.
    Stay,
    /// The digest of this program has to be known first.
    Weigh,
    /// Fetch it.
    Fetch(Release, Sha256),
    /// Try it, when nothing else is being done.
    Try(Release, Sha256),
    /// Nothing now, and this is why.
    Wait(AgentUpdate, Option<Timestamp>),
}

/// What to do about the agent's own program.
pub fn decide(input: &Input<'_>) -> Decision {
    let asked = input.wanted.zip(input.architecture);
    let Some((wanted, sha256)) =
        asked.and_then(|(wanted, architecture)| Some((wanted, wanted.sha256.get(&architecture)?)))
    else {
        return Decision::Stay;
    };
    let release = wanted.release;
    let Some(own) = input.own_digest else {
        return Decision::Weigh;
    };
    if own == sha256.as_str() {
        return Decision::Stay;
    }
    if let Some(rejected) = input
        .memory
        .rejected
        .as_ref()
        .filter(|it| it.sha256 == *sha256)
    {
        let rejected = rejected.clone();
        let update = AgentUpdate::Rejected {
            release,
            sha256: rejected.sha256,
            at: rejected.at,
            reason: rejected.reason,
        };
        return Decision::Wait(update, None);
    }
    if release < input.own && !wanted.allow_older {
        let reason = format!(
            "{} runs, and agents go back only where `allow_older: true` says so",
            input.own
        );
        return Decision::Wait(AgentUpdate::Refused { release, reason }, None);
    }
    let trying = input
        .memory
        .trying
        .as_ref()
        .filter(|it| it.sha256 == *sha256);
    if trying.is_some_and(|trying| trying.times >= MOST_TRIALS) {
        let reason = format!("trying it was cut off {MOST_TRIALS} times");
        return Decision::Wait(AgentUpdate::Refused { release, reason }, None);
    }
    if let Some(failed) = input
        .memory
        .failed
        .as_ref()
        .filter(|it| it.sha256 == *sha256)
    {
        let again = failed.at.checked_add(RETRY).unwrap_or(failed.at);
        if failed.at <= input.now && input.now < again {
            let reason = failed.reason.clone();
            return Decision::Wait(AgentUpdate::Failed { release, reason }, Some(again));
        }
    }
    if input.here == Some(sha256) {
        Decision::Try(release, sha256.clone())
    } else {
        Decision::Fetch(release, sha256.clone())
    }
}

impl Decision {
    /// As it is reported. `done`: bytes that are here.
    pub fn report(&self, done: u64) -> Option<AgentUpdate> {
        match self {
            Self::Stay | Self::Weigh => None,
            Self::Fetch(release, _) => Some(AgentUpdate::Fetching {
                release: *release,
                // In whole MiB: a report for every piece would be too many.
                done: done >> 20 << 20,
            }),
            Self::Try(release, _) => Some(AgentUpdate::Ready { release: *release }),
            Self::Wait(update, _) => Some(update.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::{Told, Trying};
    use super::*;

    fn sha(letter: char) -> Sha256 {
        Sha256::try_from(letter.to_string().repeat(64)).unwrap()
    }

    fn release(text: &str) -> Release {
        Release::try_from(text.to_owned()).unwrap()
    }

    fn asked(number: &str) -> AgentRelease {
        AgentRelease {
            release: release(number),
            sha256: [(Architecture::X86, sha('b'))].into(),
            allow_older: false,
        }
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
    }

    #[test]
    fn forward_once_and_never_in_circles() {
        let (own, memory) = (sha('a'), Memory::default());
        let newer = asked("1.1.0");
        let input = Input {
            wanted: Some(&newer),
            architecture: Some(Architecture::X86),
            own: release("1.0.0"),
            own_digest: Some(own.as_str()),
            memory: &memory,
            here: None,
            now: at(0),
        };
        assert_eq!(
            decide(&Input {
                wanted: None,
                ..input
            }),
            Decision::Stay
        );
        assert_eq!(
            decide(&Input {
                architecture: Some(Architecture::Arm),
                ..input
            }),
            Decision::Stay
        );
        assert_eq!(
            decide(&Input {
                own_digest: None,
                ..input
            }),
            Decision::Weigh
        );
        assert_eq!(decide(&input), Decision::Fetch(release("1.1.0"), sha('b')));
        let here = sha('b');
        assert_eq!(
            decide(&Input {
                here: Some(&here),
                ..input
            }),
            Decision::Try(release("1.1.0"), sha('b'))
        );
        assert_eq!(
            decide(&Input {
                own_digest: Some(here.as_str()),
                ..input
            }),
            Decision::Stay
        );

        let older = asked("0.9.0");
        let refused = decide(&Input {
            wanted: Some(&older),
            ..input
        });
        assert!(matches!(
            refused,
            Decision::Wait(AgentUpdate::Refused { .. }, None)
        ));
        let meant = AgentRelease {
            allow_older: true,
            ..older
        };
        assert!(matches!(
            decide(&Input {
                wanted: Some(&meant),
                ..input
            }),
            Decision::Fetch(..)
        ));

        let told = Told {
            release: release("1.1.0"),
            sha256: sha('b'),
            at: at(0),
            reason: "it ended".into(),
        };
        let rejected = Memory {
            rejected: Some(told.clone()),
            ..Memory::default()
        };
        let years = Input {
            memory: &rejected,
            here: Some(&here),
            now: at(1_000_000),
            ..input
        };
        assert!(matches!(
            decide(&years),
            Decision::Wait(AgentUpdate::Rejected { .. }, None)
        ));
        let other = AgentRelease {
            sha256: [(Architecture::X86, sha('c'))].into(),
            ..asked("1.1.1")
        };
        assert!(
            matches!(
                decide(&Input {
                    wanted: Some(&other),
                    ..years
                }),
                Decision::Fetch(..)
            ),
            "another program is"
        );

        let failed = Memory {
            failed: Some(told),
            ..Memory::default()
        };
        let soon = Input {
            memory: &failed,
            now: at(9),
            ..input
        };
        assert!(
            matches!(decide(&soon), Decision::Wait(AgentUpdate::Failed { .. }, Some(when)) if when == at(10))
        );
        assert!(matches!(
            decide(&Input {
                now: at(10),
                ..soon
            }),
            Decision::Fetch(..)
        ));
        assert!(
            matches!(
                decide(&Input {
                    now: at(-5),
                    ..soon
                }),
                Decision::Fetch(..)
            ),
            "the clock was set back"
        );

        let trying = Memory {
            trying: Some(Trying {
                sha256: sha('b'),
                times: MOST_TRIALS,
            }),
            ..Memory::default()
        };
        assert!(matches!(
            decide(&Input {
                memory: &trying,
                here: Some(&here),
                ..input
            }),
            Decision::Wait(AgentUpdate::Refused { .. }, None)
        ));
    }
}
