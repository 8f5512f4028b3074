//! What somebody may have meant.

/// The one of `known` that `given` was probably meant to be.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given: Vec<char> = given.to_lowercase().chars().take(64).collect();
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let chars: Vec<char> = name.to_lowercase().chars().collect();
        // An abbreviation is near, however much is left out.
        let off = if given.len() >= 3 && chars.starts_with(&given) { 1 } else { distance(&given, &chars) };
        if off <= (given.len().max(chars.len()) / 3).max(1) && best.is_none_or(|(least, _)| off < least) {
            best = Some((off, name));
        }
    }
    best.map(|(_, name)| name)
}

/// `; did you mean "…"?`, or nothing.
pub(super) fn hint<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, known).map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default()
}

/// How many letters must be put in, left out, changed or swapped with their neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let changed = at(&last, j) + usize::from(x != y);
            let mut least = changed.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        let known = ["address", "certificate", "client_ca", "key", "max_streams"];
        for (given, meant) in [
            ("adress", Some("address")),
            ("addres", Some("address")),
            ("addr", Some("address")),
            ("Address", Some("address")),
            ("cert", Some("certificate")),
            ("clientca", Some("client_ca")),
            ("kye", Some("key")),
            ("max-streams", Some("max_streams")),
            ("colour", None),
            ("", None),
            ("k", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
        assert_eq!(hint("adress", known), "; did you mean \"address\"?");
        assert_eq!(hint("colour", known), "");
    }

    #[test]
    fn a_swap_is_one_step() {
        let d = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!((d("", "abc"), d("abc", ""), d("abc", "abc")), (3, 3, 0));
        assert_eq!((d("group", "gruop"), d("kitten", "sitting")), (1, 3));
    }
}
