//! What is being judged.

use crate::{Label, Timestamp};

/// What is being judged. Set by KULTA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The namespace of the Rollout, or of the `AnalysisRun` where there is no Rollout.
    pub namespace: String,
    /// The name of the Rollout; of the `AnalysisRun` where there is no Rollout.
    pub name: String,
    /// The name of the metric or gate, as the user has written it.
    pub metric: String,
    /// When this analysis, or the asking of this gate, began.
    pub started_at: Timestamp,
    /// What else is known, by name. Absent is what does not apply: a plugin must not count on any of them.
    pub facts: Vec<Label>,
}

impl Subject {
    /// A subject of which no facts are known, as unit tests begin with.
    #[must_use]
    pub fn new(namespace: &str, name: &str, metric: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            metric: metric.to_owned(),
            ..Self::default()
        }
    }

    /// The same with one more fact.
    #[must_use]
    pub fn with_fact(mut self, name: &str, value: &str) -> Self {
        self.facts.push(Label::new(name, value));
        self
    }

    /// What is known under a name, such as `canary-hash` or `arg.threshold`.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        let known = self.facts.iter().find(|fact| fact.name == name)?;
        Some(&known.value)
    }

    /// An argument of the analysis that does not come from a Secret.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&str> {
        let known = |fact: &&Label| fact.name.strip_prefix("arg.") == Some(name);
        Some(&self.facts.iter().find(known)?.value)
    }

    /// The name of the Service of the stable version.
    #[must_use]
    pub fn stable_service(&self) -> Option<&str> {
        self.fact("stable-service")
    }

    /// The name of the Service of the canary.
    #[must_use]
    pub fn canary_service(&self) -> Option<&str> {
        self.fact("canary-service")
    }

    /// The port of both Services.
    #[must_use]
    pub fn service_port(&self) -> Option<u16> {
        self.number("service-port")
    }

    /// The label `rollouts-pod-template-hash` of the stable version's pods.
    #[must_use]
    pub fn stable_hash(&self) -> Option<&str> {
        self.fact("stable-hash")
    }

    /// The label `rollouts-pod-template-hash` of the canary's pods.
    #[must_use]
    pub fn canary_hash(&self) -> Option<&str> {
        self.fact("canary-hash")
    }

    /// The image of the first container of the stable version.
    #[must_use]
    pub fn stable_image(&self) -> Option<&str> {
        self.fact("stable-image")
    }

    /// The image of the first container of the canary.
    #[must_use]
    pub fn canary_image(&self) -> Option<&str> {
        self.fact("canary-image")
    }

    /// How many pods of the stable version are available.
    #[must_use]
    pub fn stable_replicas(&self) -> Option<u32> {
        self.number("stable-replicas")
    }

    /// How many pods of the canary are available.
    #[must_use]
    pub fn canary_replicas(&self) -> Option<u32> {
        self.number("canary-replicas")
    }

    /// The number of the revision that is rolled out.
    #[must_use]
    pub fn revision(&self) -> Option<u64> {
        self.number("revision")
    }

    /// The step that the rollout is at, from 0.
    #[must_use]
    pub fn step_index(&self) -> Option<u32> {
        self.number("step-index")
    }

    /// The canary's weight in force, in percent.
    #[must_use]
    pub fn weight(&self) -> Option<u32> {
        self.number("weight")
    }

    /// When the step began.
    #[must_use]
    pub fn step_started_at(&self) -> Option<Timestamp> {
        self.number("step-started-at").map(Timestamp::from_milliseconds)
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.fact(name)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject::new("shop", "web", "errors")
            .with_fact("canary-hash", "6d5f")
            .with_fact("weight", "20")
            .with_fact("step-started-at", "1700000000000")
            .with_fact("arg.team", "checkout")
    }

    #[test]
    fn a_fact_is_found_by_its_name() {
        assert_eq!(subject().canary_hash(), Some("6d5f"));
    }

    #[test]
    fn a_fact_that_does_not_apply_is_absent() {
        assert_eq!(subject().stable_hash(), None);
    }

    #[test]
    fn a_fact_that_is_a_number_is_read_as_one() {
        assert_eq!(subject().weight(), Some(20));
        assert_eq!(
            subject().step_started_at(),
            Some(Timestamp::from_milliseconds(1_700_000_000_000))
        );
    }

    #[test]
    fn a_number_that_is_none_is_absent() {
        let subject = Subject::default().with_fact("weight", "a fifth");
        assert_eq!(subject.weight(), None);
    }

    #[test]
    fn an_argument_is_found_by_its_own_name() {
        assert_eq!(subject().argument("team"), Some("checkout"));
        assert_eq!(subject().argument("arg.team"), None);
    }
}
