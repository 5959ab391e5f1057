//! Applies rules to the lines of one log: what is told, with which context, and what is only counted. Pure; time is that of the lines.

use super::lines::Line;
use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use tenantry_schema::document::{ErrorRule, MOST_CONTEXT};
use tenantry_schema::id::RuleName;
use tenantry_schema::pattern::LogPattern;

/// Found lines that wait for what follows them. More than that come too fast for context.
const MOST_OPEN: usize = 32;

/// Rules that apply to one service, compiled.
#[derive(Debug, Default)]
pub struct Rules {
    all: Vec<(RuleName, Rc<Compiled>)>,
    /// As they were written: equal text, equal rules.
    written: Vec<(RuleName, ErrorRule)>,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

#[derive(Debug)]
struct Compiled {
    pattern: Regex,
    except: Option<Regex>,
    context: usize,
    pause: SignedDuration,
}

impl Rules {
    /// Rules of an instance by service, of `services` that have some. Each is compiled once.
    pub fn by_service<'s>(
        rules: &BTreeMap<RuleName, ErrorRule>,
        services: impl IntoIterator<Item = &'s String>,
    ) -> BTreeMap<String, Rc<Self>> {
        let compiled: Vec<_> = rules
            .iter()
            .filter_map(|(name, rule)| Some((name, rule, Rc::new(Compiled::of(rule)?))))
            .collect();
        let of = |service: &String| {
            let mut found = Self::default();
            for (name, rule, compiled) in &compiled {
                if rule.services.is_empty() || rule.services.contains(service) {
                    found.all.push(((*name).clone(), compiled.clone()));
                    found.written.push(((*name).clone(), (*rule).clone()));
                }
            }
            (!found.all.is_empty()).then(|| (service.clone(), Rc::new(found)))
        };
        services.into_iter().filter_map(of).collect()
    }
}

impl Compiled {
    /// What was parsed was compiled then, so there always is one.
    fn of(rule: &ErrorRule) -> Option<Self> {
        let except = rule.except.as_ref().map(LogPattern::compile).transpose();
        Some(Self {
            pattern: rule.pattern.compile().ok()?,
            except: except.ok()?,
            context: usize::from(rule.context.min(MOST_CONTEXT)),
            pause: SignedDuration::from_mins(rule.pause.minutes.into()),
        })
    }
}

/// A line that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) rule: RuleName,
    pub(super) at: Timestamp,
    pub(super) line: String,
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
    /// Others since the last one that was told.
    pub(super) untold: u64,
}

/// What is remembered of one log.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    before: VecDeque<String>,
    /// Found, and waiting for so many lines more.
    open: VecDeque<(Found, usize)>,
    told: BTreeMap<RuleName, (Timestamp, u64)>,
}

impl Scanner {
    /// Looks at a line, and gives what is complete to `each`.
    pub(super) fn line(&mut self, rules: &Rules, line: &Line, each: &mut impl FnMut(Found)) {
        for (found, wanted) in &mut self.open {
            if *wanted > 0 {
                found.after.push(line.text.clone());
                *wanted -= 1;
            }
        }
        self.release(each);
        for (name, rule) in &rules.all {
            if !rule.pattern.is_match(&line.text)
                || rule
                    .except
                    .as_ref()
                    .is_some_and(|except| except.is_match(&line.text))
            {
                continue;
            }
            let told = self.told.get_mut(name);
            let untold = match told {
                Some((at, untold)) if line.at.duration_since(*at) < rule.pause => {
                    *untold += 1;
                    continue;
                }
                Some((_, untold)) => *untold,
                None => 0,
            };
            self.told.insert(name.clone(), (line.at, 0));
            let skip = self.before.len().saturating_sub(rule.context);
            let found = Found {
                rule: name.clone(),
                at: line.at,
                line: line.text.clone(),
                before: self.before.iter().skip(skip).cloned().collect(),
                after: Vec::new(),
                untold,
            };
            self.open.push_back((found, rule.context));
        }
        self.release(each);
        let longest = rules
            .all
            .iter()
            .map(|(_, rule)| rule.context)
            .max()
            .unwrap_or(0);
        if longest > 0 {
            self.before.push_back(line.text.clone());
        }
        while self.before.len() > longest {
            self.before.pop_front();
        }
    }

    /// Whether something waits for lines that follow.
    pub(super) fn waits(&self) -> bool {
        !self.open.is_empty()
    }

    /// Gives what waits as it is: nothing followed in time.
    pub(super) fn flush(&mut self, each: &mut impl FnMut(Found)) {
        for (found, _) in self.open.drain(..) {
            each(found);
        }
    }

    /// In the order in which lines were written, so one that waits holds up those behind it, if there are not too many.
    fn release(&mut self, each: &mut impl FnMut(Found)) {
        while let Some((_, wanted)) = self.open.front()
            && (*wanted == 0 || self.open.len() > MOST_OPEN)
        {
            if let Some((found, _)) = self.open.pop_front() {
                each(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str, services: &[&str]) -> BTreeMap<String, Rc<Rules>> {
        let services: Vec<_> = services.iter().map(|name| (*name).to_owned()).collect();
        Rules::by_service(&serde_json::from_str(text).unwrap(), &services)
    }

    fn rules(text: &str) -> Rc<Rules> {
        all(text, &["web"]).remove("web").unwrap()
    }

    fn scan(rules: &Rules, lines: &[(i64, &str)]) -> Vec<Found> {
        let (mut scanner, mut all) = (Scanner::default(), Vec::new());
        for (second, text) in lines {
            let line = Line {
                at: Timestamp::from_second(*second).unwrap(),
                text: (*text).to_owned(),
            };
            scanner.line(rules, &line, &mut |found| all.push(found));
        }
        scanner.flush(&mut |found| all.push(found));
        all
    }

    #[test]
    fn a_line_is_told_with_what_was_around_it() {
        let rules = rules(
            r#"{"down":{"match":"refused","context":2},"other":{"match":"x","services":["db"]}}"#,
        );
        let all = scan(
            &rules,
            &[
                (1, "a"),
                (2, "b x"),
                (3, "c"),
                (4, "connection refused"),
                (5, "d"),
                (6, "e"),
                (7, "f"),
            ],
        );
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].line, "connection refused");
        assert_eq!(
            (all[0].before.clone(), all[0].after.clone()),
            (vec!["b x".into(), "c".into()], vec!["d".into(), "e".into()])
        );
    }

    #[test]
    fn repetitions_are_counted_and_told_with_the_next() {
        let rules =
            rules(r#"{"down":{"match":"no","except":"no matter","context":0,"pause":"5m"}}"#);
        let all = scan(
            &rules,
            &[
                (0, "no"),
                (1, "no"),
                (200, "no"),
                (250, "no matter"),
                (300, "no"),
                (301, "no"),
            ],
        );
        let told: Vec<_> = all
            .iter()
            .map(|found| (found.at.as_second(), found.untold))
            .collect();
        assert_eq!(told, [(0, 0), (300, 2)]);
    }

    #[test]
    fn equal_rules_are_equal() {
        let one = rules(r#"{"a":{"match":"x"}}"#);
        assert_eq!(one, rules(r#"{"a":{"match":"x"}}"#));
        assert_ne!(one, rules(r#"{"a":{"match":"y"}}"#));
        assert!(all("{}", &["web"]).is_empty());
    }

    #[test]
    fn a_rule_of_many_services_is_compiled_once() {
        let text = r#"{"a":{"match":"x"},"b":{"match":"y","services":["db"]}}"#;
        let all = all(text, &["web", "db", "job"]);
        let names = |service: &str| {
            let rules = all[service].all.iter();
            rules.map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            (names("web"), names("db")),
            (vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()])
        );
        let of = |service: &str| all[service].all[0].1.clone();
        assert!(Rc::ptr_eq(&of("web"), &of("job")));
    }

    proptest! {
        #[test]
        fn every_matching_line_is_told_or_counted(texts in proptest::collection::vec((0i64..90, "(no|yes)"), 0..80), context in 0u8..4) {
            let rules = rules(&format!(r#"{{"down":{{"match":"no","context":{context},"pause":"1m"}}}}"#));
            let mut at = 0;
            let lines: Vec<_> = texts.iter().map(|(step, text)| { at += step; (at, text.as_str()) }).collect();
            let all = scan(&rules, &lines);
            let matching = lines.iter().filter(|(_, text)| *text == "no").count() as u64;
            let counted: u64 = all.iter().map(|found| 1 + found.untold).sum();
            // What was counted after the last one that was told is told with the next.
            prop_assert!(counted <= matching);
            let last = all.last().map_or(0, |found| found.at.as_second());
            let behind = lines.iter().filter(|(second, text)| *text == "no" && *second >= last && *second < last + 60).count() as u64;
            prop_assert!(counted + behind >= matching);
            let in_order = all.windows(2).all(|pair| pair[0].at <= pair[1].at);
            prop_assert!(in_order);
            let short = all.iter().all(|found| found.before.len() <= context.into() && found.after.len() <= context.into());
            prop_assert!(short);
        }
    }
}
