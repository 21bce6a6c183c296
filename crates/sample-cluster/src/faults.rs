//! What goes wrong on demand.

use serde::{Deserialize, Serialize};

/// What goes wrong from now on. The default is: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The first rule that fits a request decides.
    pub rules: Vec<Fault>,
    /// Close every open connection and refuse new ones, until the faults are replaced. Takes effect a moment after
    /// it was set.
    pub refuse_connections: bool,
    /// End `refuse_connections` after so many seconds by itself. Over HTTP it must be given, since there would be no
    /// way to end it.
    pub refuse_seconds: Option<u64>,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every connection is closed and refused.
    pub fn refuse() -> Self {
        Self { refuse_connections: true, ..Self::default() }
    }

    /// One more rule.
    #[must_use]
    pub fn and(mut self, fault: Fault) -> Self {
        self.rules.push(fault);
        self
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self::none().and(fault)
    }
}

/// One thing that goes wrong, and for which requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Only this API group (empty: the core group); none: every request.
    pub group: Option<String>,
    /// Only this plural; none: every resource, and discovery.
    pub resource: Option<String>,
    /// Only these: `list`, `watch`, `get` or `other`; none: each that the effect can have.
    pub verb: Option<String>,
    /// How often it happens; none: until the faults are replaced.
    pub times: Option<u32>,
    /// Wait so long before answering, in milliseconds.
    pub delay_ms: u64,
    /// What happens then.
    pub effect: Effect,
}

/// What happens to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is answered as always.
    #[default]
    Nothing,
    /// It is answered with this status.
    Status {
        /// HTTP status.
        status: u16,
        /// Sent as `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// A watch ends after so many events.
    CloseWatch {
        /// Events before the end; 0: it ends at once.
        after: usize,
        /// Break the connection instead of ending the answer.
        #[serde(default)]
        abruptly: bool,
    },
    /// A watch answers 410 Gone, as if its revision were too old; so does the next page of a list if the verb is `list`.
    Gone,
    /// A list breaks off in the middle of its body.
    BreakList,
}

impl Fault {
    /// For one resource.
    pub fn on(group: &str, resource: &str) -> Self {
        Self { group: Some(group.to_owned()), resource: Some(resource.to_owned()), ..Self::default() }
    }

    /// For every request.
    pub fn everywhere() -> Self {
        Self::default()
    }

    /// Only for `list`, `watch`, `get` or `other`.
    #[must_use]
    pub fn verb(mut self, verb: &str) -> Self {
        self.verb = Some(verb.to_owned());
        self
    }

    /// Only so often.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// After so many milliseconds.
    #[must_use]
    pub const fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.delay_ms = delay_ms;
        self
    }

    /// Answers with a status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.effect = Effect::Status { status, retry_after: None };
        self
    }

    /// Answers 429 with `Retry-After`, in seconds.
    #[must_use]
    pub fn too_many(mut self, retry_after: u64) -> Self {
        self.effect = Effect::Status { status: 429, retry_after: Some(retry_after) };
        self
    }

    /// Ends a watch after so many events.
    #[must_use]
    pub fn close_watch(mut self, after: usize) -> Self {
        self.effect = Effect::CloseWatch { after, abruptly: false };
        self
    }

    /// Breaks a watch's connection after so many events.
    #[must_use]
    pub fn break_watch(mut self, after: usize) -> Self {
        self.effect = Effect::CloseWatch { after, abruptly: true };
        self
    }

    /// Answers a watch with 410.
    #[must_use]
    pub fn gone(mut self) -> Self {
        self.effect = Effect::Gone;
        self
    }

    /// Breaks off a list in its middle.
    #[must_use]
    pub fn break_list(mut self) -> Self {
        self.effect = Effect::BreakList;
        self
    }

    fn fits(&self, group: &str, resource: &str, verb: &str) -> bool {
        let is = |wanted: &Option<String>, have: &str| wanted.as_ref().is_none_or(|w| w == have);
        let can = match self.effect {
            Effect::Nothing | Effect::Status { .. } => true,
            Effect::CloseWatch { .. } => verb == "watch",
            Effect::Gone => verb == self.verb.as_deref().unwrap_or("watch"),
            Effect::BreakList => verb == "list",
        };
        can && self.times != Some(0) && is(&self.group, group) && is(&self.resource, resource) && is(&self.verb, verb)
    }
}

impl Faults {
    /// What happens to a request; counts down the rule that decided.
    pub(crate) fn decide(&mut self, group: &str, resource: &str, verb: &str) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|rule| rule.fits(group, resource, verb))?;
        let decided = rule.clone();
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some(decided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_used_up_and_the_next_one_decides() {
        let mut faults = Faults::from(Fault::on("", "pods").status(503).times(1)).and(Fault::everywhere().status(500));
        let status = |f: Option<Fault>| f.map(|f| f.effect);
        assert_eq!(status(faults.decide("", "pods", "list")), Some(Effect::Status { status: 503, retry_after: None }));
        assert_eq!(status(faults.decide("", "pods", "list")), Some(Effect::Status { status: 500, retry_after: None }));
    }

    #[test]
    fn an_effect_on_watches_leaves_lists_alone() {
        let mut faults = Faults::from(Fault::on("", "pods").gone());
        assert_eq!(faults.decide("", "pods", "list"), None);
        assert_eq!(faults.decide("apps", "pods", "watch"), None);
        assert!(faults.decide("", "pods", "watch").is_some());
    }

    #[test]
    fn faults_are_read_from_json() {
        let json =
            r#"{"rules":[{"resource":"pods","effect":{"status":{"status":429,"retry_after":2}}},{"effect":"gone"}]}"#;
        let faults: Faults = serde_json::from_str(json).unwrap();
        assert_eq!(faults.rules[0].effect, Effect::Status { status: 429, retry_after: Some(2) });
        assert_eq!(faults.rules[1].effect, Effect::Gone);
        assert!(serde_json::from_str::<Faults>(r#"{"rulez":[]}"#).is_err());
    }
}
