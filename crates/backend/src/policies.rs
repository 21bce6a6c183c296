//! The policies on the website: files of the repository (docs/policies), one for each version, built in. Which version is
//! the current one, who agreed to which, and who is told of changes.

mod consent;
mod letter;
mod publish;

use std::{collections::BTreeMap, sync::LazyLock};

pub use publish::{Published, publish_policy};
use serde::Deserialize;
use time::{Date, macros::format_description};

/// The files: policy, date, text.
const FILES: [(&str, &str, &str); 7] = [
    ("privacy", "2026-11-28", include_str!("../../../docs/policies/privacy/2026-11-28.md")),
    ("privacy", "2026-11-29", include_str!("../../../docs/policies/privacy/2026-11-29.md")),
    ("security", "2026-11-28", include_str!("../../../docs/policies/security/2026-11-28.md")),
    ("security", "2026-11-29", include_str!("../../../docs/policies/security/2026-11-29.md")),
    ("sub-processors", "2026-11-28", include_str!("../../../docs/policies/sub-processors/2026-11-28.md")),
    ("cookies", "2026-11-28", include_str!("../../../docs/policies/cookies/2026-11-28.md")),
    ("cookies", "2026-11-29", include_str!("../../../docs/policies/cookies/2026-11-29.md")),
];

static BUILT_IN: LazyLock<PublicPolicies> = LazyLock::new(|| {
    PublicPolicies::parse(&FILES).expect("the policies of the repository are as a test says that they are")
});

/// Stands in a text where the address belongs that people write to.
pub const CONTACT: &str = "{contact}";

/// All policies.
#[derive(Clone, Debug)]
pub struct PublicPolicies(Vec<PublicPolicy>);

/// A policy, with all its versions.
#[derive(Clone, Debug)]
pub struct PublicPolicy {
    /// What it is called in addresses: `sub-processors`.
    pub name: String,
    // Oldest first, and at least one.
    versions: Vec<PolicyVersion>,
}

/// A version of a policy.
#[derive(Clone, Debug)]
pub struct PolicyVersion {
    /// Since when it holds, which also names it.
    pub date: Date,
    /// What people call the policy: its heading.
    pub title: String,
    /// What is different from the version before, in a sentence or two.
    pub summary: String,
    /// Whether it changes something that somebody may decide by.
    pub is_significant: bool,
    /// Markdown, with [`CONTACT`] where the address belongs.
    pub text: String,
}

/// What stands above a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    date: String,
    summary: String,
    significant: bool,
}

impl PublicPolicies {
    /// Those of the repository.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// Reads files: policy, date and text of each, in the order in which policies are shown, oldest version first.
    ///
    /// # Errors
    ///
    /// What is wrong with which file, in a sentence.
    pub fn parse(files: &[(&str, &str, &str)]) -> Result<Self, String> {
        let mut policies: Vec<PublicPolicy> = Vec::new();
        let mut at: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, date, text) in files {
            let version = PolicyVersion::parse(date, text).map_err(|why| format!("{name}/{date}.md: {why}"))?;
            let index = *at.entry(name).or_insert(policies.len());
            match policies.get_mut(index) {
                None => policies.push(PublicPolicy { name: (*name).to_owned(), versions: vec![version] }),
                Some(policy) if policy.current().date < version.date => policy.versions.push(version),
                Some(_) => return Err(format!("{name}/{date}.md: it is no later than the version before")),
            }
        }
        Ok(Self(policies))
    }

    /// All, in the order in which they are shown.
    pub fn iter(&self) -> impl Iterator<Item = &PublicPolicy> {
        self.0.iter()
    }

    /// The one of this name.
    pub fn find(&self, name: &str) -> Option<&PublicPolicy> {
        self.0.iter().find(|policy| policy.name == name)
    }
}

impl PublicPolicy {
    /// The newest version, which holds.
    pub fn current(&self) -> &PolicyVersion {
        &self.versions[self.versions.len() - 1]
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> &[PolicyVersion] {
        &self.versions
    }

    /// The version of a date, and the one before it, if there is one.
    pub fn version(&self, date: Date) -> Option<(&PolicyVersion, Option<&PolicyVersion>)> {
        let at = self.versions.iter().position(|version| version.date == date)?;
        Some((&self.versions[at], at.checked_sub(1).map(|before| &self.versions[before])))
    }
}

impl PolicyVersion {
    fn parse(date: &str, file: &str) -> Result<Self, String> {
        let front = file.strip_prefix("+++\n").and_then(|rest| rest.split_once("\n+++\n"));
        let (front, text) = front.ok_or("it does not begin with a block of TOML between two lines of +++")?;
        let about: About = toml::from_str(front).map_err(|error| error.to_string())?;
        if about.date != date {
            return Err(format!("its date is {}", about.date));
        }
        let date = parse_date(date).ok_or("its name is no date like 2026-11-28")?;
        if about.summary.trim().is_empty() {
            return Err("it has no summary".to_owned());
        }
        let text = text.trim();
        let title = text.lines().next().and_then(|line| line.strip_prefix("# ")).map(str::trim);
        let title = title.filter(|title| !title.is_empty()).ok_or("its text does not begin with a heading")?;
        if !text.contains(CONTACT) {
            return Err(format!("it does not say whom to write to: {CONTACT}"));
        }
        Ok(Self {
            date,
            title: title.to_owned(),
            summary: about.summary.trim().to_owned(),
            is_significant: about.significant,
            text: text.to_owned(),
        })
    }

    /// `28 November 2026`
    pub fn day(&self) -> String {
        format!("{} {} {}", self.date.day(), self.date.month(), self.date.year())
    }
}

/// `2026-11-28`, and nothing else.
pub fn parse_date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn file(date: &str, rest: &str) -> String {
        format!("+++\ndate = \"{date}\"\nsummary = \"The first.\"\nsignificant = true\n+++\n{rest}")
    }

    #[test]
    fn every_policy_of_the_repository_can_be_read_and_no_file_is_forgotten() {
        let policies = PublicPolicies::parse(&FILES).unwrap();
        let named: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
        assert_eq!(named, ["privacy", "security", "sub-processors", "cookies"]);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policies");
        let mut there = BTreeSet::new();
        for policy in std::fs::read_dir(folder).unwrap() {
            let policy = policy.unwrap();
            for file in std::fs::read_dir(policy.path()).unwrap() {
                let file = file.unwrap().file_name().into_string().unwrap();
                there.insert(format!("{}/{file}", policy.file_name().into_string().unwrap()));
            }
        }
        let built_in: BTreeSet<String> = FILES.iter().map(|(name, date, _)| format!("{name}/{date}.md")).collect();
        assert_eq!(built_in, there);
        assert_eq!(built_in.len(), FILES.len());
        let titles: BTreeSet<&str> = policies.iter().map(|policy| policy.current().title.as_str()).collect();
        assert_eq!(titles.len(), named.len());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told() {
        let right = file("2026-11-28", "# Privacy\n\nWrite to {contact}.\n");
        let later = right.replace("2026-11-28", "2027-01-05");
        let read = |files: &[(&str, &str, &str)]| PublicPolicies::parse(files).map(drop);
        read(&[("privacy", "2026-11-28", &right), ("privacy", "2027-01-05", &later)]).unwrap();
        let wrong = [
            ("2026-11-29", right.clone(), "its date is 2026-11-28"),
            ("2026-11-28", right.replace("{contact}", "us"), "whom to write to"),
            ("2026-11-28", right.replace("# Privacy", "Privacy"), "heading"),
            ("2026-11-28", right.replace("The first.", " "), "summary"),
            ("2026-11-28", right.replace("+++\n#", "#"), "TOML"),
            ("2026-11-28", right.replace("significant = true", "importnt = true"), "unknown field"),
            ("28 November", right.replace("2026-11-28", "28 November"), "no date"),
        ];
        for (date, text, why) in wrong {
            let told = read(&[("privacy", date, &text)]).unwrap_err();
            assert!(told.contains(why) && told.contains(date), "{told}");
        }
        for files in [
            [("privacy", "2027-01-05", later.as_str()), ("privacy", "2026-11-28", right.as_str())],
            [("privacy", "2026-11-28", right.as_str()), ("privacy", "2026-11-28", right.as_str())],
        ] {
            assert!(read(&files).unwrap_err().contains("no later"));
        }
    }

    #[test]
    fn a_version_is_found_with_the_one_before_it() {
        let first = file("2026-11-28", "# Privacy\n\n{contact}\n");
        let second = first.replace("2026-11-28", "2027-01-05");
        let files = [("privacy", "2026-11-28", first.as_str()), ("privacy", "2027-01-05", second.as_str())];
        let policies = PublicPolicies::parse(&files).unwrap();
        let policy = policies.find("privacy").unwrap();
        assert_eq!(policy.current().day(), "5 January 2027");
        let (_, before) = policy.version(parse_date("2027-01-05").unwrap()).unwrap();
        assert_eq!(before.unwrap().date.to_string(), "2026-11-28");
        assert!(policy.version(parse_date("2026-11-28").unwrap()).unwrap().1.is_none());
        assert!(policy.version(parse_date("2026-11-29").unwrap()).is_none());
        assert!(policies.find("cookies").is_none());
        for text in ["2026-1-5", "", "x", "2026-13-01", "+002026-11-28", "2026-11-28x"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
