//! Judges the commits between one that is accepted and a new one.

use super::Refusal;
use super::commit::Signed;
use super::rules::{Rules, Signer};
use crate::git::{GitError, NAMESPACE, Objects, Oid};
use crate::load::settings_key;
use std::collections::HashMap;
use tenantry_wire::sshsig;

/// Most commits that are judged at once; a branch that is further ahead is accepted in steps.
const MOST: usize = 100_000;

/// Most commits in a row whose settings have errors.
const MOST_BROKEN: usize = 1_000;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The newest commit that may be followed.
    pub good: Oid,
    /// The first commit that may not, on the way to the newest, and why.
    pub refused: Option<(Oid, Refusal)>,
}

/// Judges commits; keeps the rules of commits that were asked for.
pub struct Judge<'o> {
    objects: &'o Objects,
    /// Whether every commit is judged, also where none has to be signed.
    strict: bool,
    /// By the settings' files.
    rules: HashMap<Vec<Oid>, Option<Rules>>,
}

impl<'o> Judge<'o> {
    /// Over these objects.
    pub fn new(objects: &'o Objects) -> Self {
        Self {
            objects,
            strict: false,
            rules: HashMap::new(),
        }
    }

    /// Over these objects, as if every commit had to be signed.
    pub fn strict(objects: &'o Objects) -> Self {
        Self {
            strict: true,
            ..Self::new(objects)
        }
    }

    /// Judges what leads from `accepted`, which is good, to `newest`.
    ///
    /// # Errors
    /// Where objects cannot be read; that a commit is not good is no error.
    pub fn judge(&mut self, accepted: Oid, newest: Oid) -> Result<Judged, GitError> {
        let Some(line) = self.line(accepted, newest)? else {
            return Ok(Judged {
                good: accepted,
                refused: Some((newest, Refusal::OtherLine(accepted))),
            });
        };
        let mut good = accepted;
        for commit in line {
            let signed = self.strict || self.rules_at(good)?.is_ok_and(Rules::signed);
            if signed && let Err(refusal) = self.commit(commit, good)? {
                return Ok(Judged {
                    good,
                    refused: Some((commit, refusal)),
                });
            }
            good = commit;
        }
        Ok(Judged {
            good,
            refused: None,
        })
    }

    /// Judges the hub's own commits alone, where a forge's branch protection answers for those of people: each changes the hub's files and no
    /// others, whoever got hold of its key.
    ///
    /// # Errors
    /// Where objects cannot be read.
    pub fn judge_the_hub(&mut self, accepted: Oid, newest: Oid) -> Result<Judged, GitError> {
        let Some(line) = self.line(accepted, newest)? else {
            // A forge may let the fleet's branch be merged into another one and go on from there. That counts as a whole.
            let brought = self.objects.only_in(&[newest], accepted)?;
            let refused = self.hubs_among(&brought, accepted)?;
            let good = if refused.is_some() { accepted } else { newest };
            return Ok(Judged { good, refused });
        };
        let mut good = accepted;
        for commit in line {
            let parents = self.objects.commit_info(commit)?.parents;
            let mut brought = match parents.get(1..) {
                Some(others) if !others.is_empty() => self.objects.only_in(others, good)?,
                _ => Vec::new(),
            };
            brought.push(commit);
            if let Some(refused) = self.hubs_among(&brought, good)? {
                return Ok(Judged {
                    good,
                    refused: Some(refused),
                });
            }
            good = commit;
        }
        Ok(Judged {
            good,
            refused: None,
        })
    }

    /// The first of `commits` that is the hub's and does what it may not, by the rules of `before`.
    fn hubs_among(
        &mut self,
        commits: &[Oid],
        before: Oid,
    ) -> Result<Option<(Oid, Refusal)>, GitError> {
        for &commit in commits {
            if self.is_hubs(commit, before)?
                && let Err(refusal) = self.change(commit, before)?
            {
                return Ok(Some((commit, refusal)));
            }
        }
        Ok(None)
    }

    /// The first parents from `accepted` (left out) to `newest`, oldest first. None where they do not lead there.
    fn line(&self, accepted: Oid, newest: Oid) -> Result<Option<Vec<Oid>>, GitError> {
        let mut line = Vec::new();
        let mut at = newest;
        while at != accepted {
            if line.len() >= MOST {
                return Ok(None);
            }
            line.push(at);
            match self.objects.commit_info(at)?.parents.first() {
                Some(parent) => at = *parent,
                None => return Ok(None),
            }
        }
        line.reverse();
        Ok(Some(line))
    }

    /// Judges one commit of the branch. `before` is its first parent, which is good.
    fn commit(&mut self, commit: Oid, before: Oid) -> Result<Result<(), Refusal>, GitError> {
        let parents = self.objects.commit_info(commit)?.parents;
        if parents.len() > 1 {
            let brought = self.objects.only_in(&parents[1..], before)?;
            if let Some((_, refusal)) = self.merged(&brought, before)? {
                return Ok(Err(refusal));
            }
        }
        self.change(commit, before)
    }

    /// Judges what a branch would bring into another one, as [`Judge::judge`] and [`Judge::judge_the_hub`] do once it is merged. `brought` are the
    /// commits that only the branch has, oldest first; `base` is the newest commit of the other one, which is good. Returns the first commit that
    /// would not be followed.
    ///
    /// # Errors
    /// Where objects cannot be read.
    pub fn brings(
        &mut self,
        brought: &[Oid],
        base: Oid,
    ) -> Result<Option<(Oid, Refusal)>, GitError> {
        if self.strict || self.asks_for_signatures(base)? {
            self.merged(brought, base)
        } else {
            self.hubs_among(brought, base)
        }
    }

    /// The first of the commits that a merge brings in which is not good by the rules of the branch that it is brought into.
    fn merged(&mut self, brought: &[Oid], before: Oid) -> Result<Option<(Oid, Refusal)>, GitError> {
        for &commit in brought {
            // The hub commits to the branch that it follows and to no other: its line was merged into another one, and would be judged by that.
            let judged = if self.is_hubs(commit, before)? {
                Err(Refusal::OtherLine(commit))
            } else {
                self.change(commit, before)?
            };
            if let Err(refusal) = judged {
                return Ok(Some((commit, refusal)));
            }
        }
        Ok(None)
    }

    /// Judges what one commit does by the rules of another.
    fn change(&mut self, commit: Oid, rules: Oid) -> Result<Result<(), Refusal>, GitError> {
        let info = self.objects.commit_info(commit)?;
        let paths = match info.parents.as_slice() {
            [] => return Ok(Err(Refusal::Root)),
            [parent] => {
                let before = self.objects.root_tree(*parent)?;
                self.objects.changed_paths(before, info.tree)?
            }
            [ours, theirs] => {
                let by_hand = self.objects.merge_difference(*ours, *theirs, info.tree)?;
                if by_hand.is_empty() {
                    return Ok(Ok(()));
                }
                by_hand
            }
            _ => return Ok(Err(Refusal::Octopus)),
        };
        let raw = self.objects.raw_commit(commit)?;
        Ok(self.rules_at(rules)?.and_then(|rules| {
            let signer = signer(rules, &raw)?;
            rules.allow(&signer, &paths)
        }))
    }

    /// Whether the hub signed a commit, by the rules of another.
    fn is_hubs(&mut self, commit: Oid, rules: Oid) -> Result<bool, GitError> {
        let raw = self.objects.raw_commit(commit)?;
        let rules = self.rules_at(rules)?;
        let by = rules.and_then(|rules| signer(rules, &raw));
        Ok(matches!(by, Ok(Signer::Hub)))
    }

    /// The rules of a good commit. While its settings have errors those of its first parents hold, so that mending them is not refused.
    fn rules_at(&mut self, commit: Oid) -> Result<Result<&Rules, Refusal>, GitError> {
        let key = settings_key(self.objects, self.objects.root_tree(commit)?)?;
        if !self.rules.contains_key(&key) {
            let rules = self.find_rules(commit)?;
            self.rules.insert(key.clone(), rules);
        }
        let found = self.rules.get(&key).and_then(Option::as_ref);
        Ok(found.ok_or(Refusal::NoRules))
    }

    /// Whether commits on top of `commit`, which is good, have to be signed.
    ///
    /// # Errors
    /// Where objects cannot be read.
    pub fn asks_for_signatures(&mut self, commit: Oid) -> Result<bool, GitError> {
        Ok(self.rules_at(commit)?.is_ok_and(Rules::signed))
    }

    fn find_rules(&self, commit: Oid) -> Result<Option<Rules>, GitError> {
        let mut at = Some(commit);
        for _ in 0..MOST_BROKEN {
            let Some(commit) = at else { break };
            if let Some(rules) = Rules::at(self.objects, self.objects.root_tree(commit)?)? {
                return Ok(Some(rules));
            }
            at = self.objects.commit_info(commit)?.parents.first().copied();
        }
        Ok(None)
    }
}

fn signer(rules: &Rules, raw: &[u8]) -> Result<Signer, Refusal> {
    let signed = Signed::parse(raw).ok_or(Refusal::Unsigned)?;
    if !signed
        .signature
        .starts_with("-----BEGIN SSH SIGNATURE-----")
    {
        return Err(Refusal::Unsigned);
    }
    let key = sshsig::verify(rules.keys(), NAMESPACE, &signed.payload, &signed.signature)?;
    rules.signer(key).ok_or(Refusal::Unsigned)
}
