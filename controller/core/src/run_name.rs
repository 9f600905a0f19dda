//! The names of `AnalysisRun`s, in the words of Argo Rollouts: `<rollout>-<hash>-<revision>[-<step>][.<attempt>]`; those of
//! Experiments have their attempt after `-`.

use crate::plan::Purpose;
use crate::revision;

/// What stands for the Rollout in a name is at most so long. A name has 253 characters: this leaves room for a label, a
/// number of 20 digits, the longest purpose and an attempt.
const ROLLOUT_BYTES: usize = 128;

/// The hashes of revisions are hardly ever shorter, be they KULTA's or Argo Rollouts', which are numbers of 32 bits in letters.
const SHORTEST_HASH: usize = 6;

/// How the names of a Rollout's analyses begin, up to the hash of the revision: its name and `-`. A long name is cut, and
/// what was cut told apart by a hash of the whole name.
#[must_use]
pub fn beginning(rollout: &str) -> String {
    if rollout.len() <= ROLLOUT_BYTES {
        return format!("{rollout}-");
    }
    let hash = revision::name_hash(rollout);
    let head = crate::text::head(rollout, ROLLOUT_BYTES.saturating_sub(hash.len() + 1));
    // Between two dots a name begins and ends with a letter or a number.
    let head = head.trim_end_matches(['.', '-']);
    format!("{head}-{hash}-")
}

/// Whether `name` is that of a Service which an experiment of the Rollout gives to one of its templates.
#[must_use]
pub fn is_of_experiment(rollout: &str, name: &str) -> bool {
    let number = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let Some(rest) = name.strip_prefix(&beginning(rollout)) else {
        return false;
    };
    let mut parts = rest.split('-');
    let has_hash = parts.next().is_some_and(|hash| hash.len() >= SHORTEST_HASH);
    // The revision, the step, and the template.
    has_hash
        && number(parts.next())
        && number(parts.next())
        && parts.next().is_some_and(|part| !part.is_empty())
}

/// The name of an analysis in its first attempt; `purpose` is in it as [`suffix`] writes it.
pub(crate) fn of(rollout: &str, hash: &str, revision: u64, suffix: &str) -> String {
    let beginning = beginning(rollout);
    format!("{beginning}{hash}-{revision}{suffix}")
}

/// What parts the number of an attempt from the rest of a name.
const fn separator(purpose: Purpose) -> char {
    match purpose {
        Purpose::Experiment(_) => '-',
        Purpose::Background
        | Purpose::Step(_)
        | Purpose::Gate(_)
        | Purpose::PrePromotion
        | Purpose::PostPromotion => '.',
    }
}

/// The name of a later attempt of what is called `first` in its first one.
pub(crate) fn of_attempt(first: String, purpose: Purpose, attempt: u32) -> String {
    if attempt == 0 {
        return first;
    }
    format!("{first}{}{attempt}", separator(purpose))
}

/// Whether `name` is that of some attempt of what is called `first` in its first one.
pub(crate) fn is_attempt(name: &str, first: &str, purpose: Purpose) -> bool {
    let rest = name.strip_prefix(first);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(separator(purpose)))
}

/// What a name says of its purpose; that of gates says which they are, too.
pub(crate) fn suffix(purpose: Purpose, gates: &str) -> String {
    match purpose {
        Purpose::Background => String::new(),
        Purpose::Step(index) | Purpose::Experiment(index) => format!("-{index}"),
        Purpose::Gate(index) => format!("-{index}-gate-{gates}"),
        Purpose::PrePromotion => "-pre".to_owned(),
        Purpose::PostPromotion => "-post".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_in_argo_rollouts() {
        let name = |purpose, attempt| of_attempt(of("web", "abc", 2, &suffix(purpose, "")), purpose, attempt);

        assert_eq!(name(Purpose::Step(3), 0), "web-abc-2-3");
        assert_eq!(name(Purpose::Background, 1), "web-abc-2.1");
        assert_eq!(name(Purpose::Experiment(3), 1), "web-abc-2-3-1");
    }

    #[test]
    fn attempts_of_one_step_are_none_of_another() {
        let purpose = Purpose::Experiment(1);

        assert!(is_attempt("web-abc-2-1", "web-abc-2-1", purpose));
        assert!(is_attempt("web-abc-2-1-4", "web-abc-2-1", purpose));
        assert!(!is_attempt("web-abc-2-11", "web-abc-2-1", purpose));
        assert!(!is_attempt("web-abc-2-1.4", "web-abc-2-1", purpose));
    }

    #[test]
    fn the_longest_name_is_one_that_the_api_server_takes() {
        let (rollout, label) = ("w".repeat(253), "h".repeat(63));

        let purpose = Purpose::Gate(u32::MAX);
        let first = of(&rollout, &label, u64::MAX, &suffix(purpose, "0123456789"));
        let name = of_attempt(first, purpose, u32::MAX);

        assert!(name.len() <= 253, "{}", name.len());
    }

    #[test]
    fn long_names_stay_apart_and_the_same_name_is_always_cut_alike() {
        let rollout = "w".repeat(200);

        assert_eq!(beginning(&rollout), beginning(&rollout));
        assert_ne!(beginning(&rollout), beginning(&format!("{rollout}w")));
    }

    #[test]
    fn a_name_that_is_cut_at_a_dot_stays_valid() {
        let rollout = format!("{}.{}", "w".repeat(116), "x".repeat(100));

        assert!(!beginning(&rollout).contains(".-"), "{}", beginning(&rollout));
    }
}
