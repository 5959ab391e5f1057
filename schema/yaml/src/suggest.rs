//! "Did you mean ...?": the nearest known word; nothing else.

/// The candidate nearest to `word`, if it is near enough to be a slip of the fingers.
///
/// Distance is Damerau-Levenshtein without regard to case: at most 1 for words up to four characters, 2 for
/// longer ones. Of equally near candidates the first wins.
pub fn suggest<'c, I, S>(word: &str, candidates: I) -> Option<&'c str>
where
    I: IntoIterator<Item = &'c S>,
    S: AsRef<str> + ?Sized + 'c,
{
    // Long words are never slips, and the distance costs their product.
    if word.len() > 128 {
        return None;
    }
    let word = word.to_lowercase();
    let allowed = if word.chars().count() <= 4 { 1 } else { 2 };
    candidates
        .into_iter()
        .map(AsRef::as_ref)
        .filter(|candidate| candidate.len() <= 128)
        .map(|candidate: &str| {
            let distance = strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn nearest_wins_and_far_is_nothing() {
        let tools = ["nextcloud", "umami", "html", "ghost"];
        assert_eq!(suggest("nextcluod", &tools), Some("nextcloud"));
        assert_eq!(suggest("Umami", &tools), Some("umami"));
        assert_eq!(suggest("htlm", &tools), Some("html"));
        assert_eq!(suggest("keycloak", &tools), None);
        assert_eq!(suggest("a", &["b"]), None);
        assert_eq!(suggest("", &["b"]), None);
        let owned = vec!["plan".to_owned()];
        assert_eq!(suggest("pln", &owned), Some("plan"));
    }
}
