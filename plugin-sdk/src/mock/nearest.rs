//! Which of several texts is nearest to one: a misspelt query is found by it.

/// The text with the fewest characters to insert, leave out or replace; the first of several.
pub(super) fn nearest(text: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    candidates.min_by_key(|candidate| distance(text, candidate))
}

fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, from) in from.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((to, pair), left) in to.iter().zip(row.windows(2)).zip(0..) {
            let [diagonal, above] = pair else { continue };
            let left = next.get(left).copied().unwrap_or_default();
            let replaced = diagonal + usize::from(from != *to);
            next.push(replaced.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_what_is_inserted_left_out_and_replaced() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn the_nearest_is_found() {
        let candidates = ["rate(b[5m])", "rate(a[1m])"].map(str::to_owned);
        assert_eq!(
            nearest("rate(a[5m]", candidates.into_iter()).as_deref(),
            Some("rate(b[5m])")
        );
    }

    #[test]
    fn of_none_none_is_nearest() {
        assert_eq!(nearest("up", std::iter::empty()), None);
    }
}
