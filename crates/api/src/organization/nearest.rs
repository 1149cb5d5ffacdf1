//! The known word that an unknown one was probably meant to be.

/// A hint such as ` (did you mean `name`?)`; empty where nothing known is near.
pub(crate) fn did_you_mean<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    let scored = known.map(|word| (strsim::jaro_winkler(wrong, word), word));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b));
    match best {
        Some((score, word)) if score > 0.75 => format!(" (did you mean `{word}`?)"),
        _ => String::new(),
    }
}
