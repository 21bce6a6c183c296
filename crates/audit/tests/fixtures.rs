//! Every rule fails and passes as its file in `fixtures/` says, and the files notice when a rule does not look.
//!
//! A file is named as the rule. It has cases, each begun by a line:
//!
//! - `# fail: PATH [PATH…]`: findings at exactly these paths, in any order;
//! - `# pass`: no finding, and it was judged;
//! - `# unknown`: no finding, and it is said that it cannot be judged;
//! - `# skip`: the rule is not for this: no finding, and nothing was judged.
//!
//! A line `# says: WORDS` in a case wants a message with these words.
//!
//! Words in square brackets before the colon (or at the end of the line) set the scene: `[1.24]` the version of
//! Kubernetes, `[cluster]` objects of a cluster that was read whole (without secrets and configuration maps, and
//! without values of variables), `[cluster 1.30]` one of that version, `[cluster -Job]` one of which a kind could not be
//! read, `[parameters {json}]` parameters.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use kubewise_audit::{
    Check, Completeness, Framework, Inventory, Kind, KubernetesVersion, Object, Options, Rule, audit_by, flatten,
    rules, yaml,
};

#[derive(Debug, Clone, PartialEq)]
enum Expected {
    Fail(Vec<String>),
    Pass,
    Unknown,
    Skip,
}

impl Expected {
    /// The word that it is begun by.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Fail(_) => "fail",
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Skip => "skip",
        }
    }
}

#[derive(Debug)]
struct Case {
    line: usize,
    expected: Expected,
    options: Options,
    completeness: Completeness,
    /// What messages say.
    words: Vec<String>,
    text: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A cluster of which is said: its version, or kinds that could not be read.
fn cluster(said: &str) -> Completeness {
    let mut whole: BTreeSet<Kind> = Kind::ALL.iter().copied().collect();
    let mut version = None;
    for word in ["-Secret", "-ConfigMap"].into_iter().chain(said.split_whitespace()) {
        match word.strip_prefix('-') {
            Some(kind) => whole.retain(|known| known.as_str() != kind),
            None => version = Some(word.parse().expect("a version")),
        }
    }
    Completeness::Cluster { whole, without_values: true, version }
}

fn heading(line: &str) -> Option<(Expected, Options, Completeness)> {
    let mut rest = line.strip_prefix("# ")?;
    let mut options = Options::default();
    let mut completeness = Completeness::Manifests;
    let mut words = String::new();
    while let Some((before, after)) = rest.split_once('[') {
        let (setting, after) = if let Some(json) = after.strip_prefix("parameters ") {
            let end = json.find("}]").map(|end| end + 1)?;
            options.parameters = serde_json::from_str(&json[..end]).expect("parameters are JSON");
            ("", &json[end + 1..])
        } else if after.starts_with(|c: char| c.is_ascii_digit()) && !after.split(']').next()?.contains('.') {
            // An index in a path.
            words += before;
            words.push('[');
            rest = after;
            continue;
        } else if after.starts_with('"') || before.ends_with(|c: char| !c.is_whitespace()) {
            words += before;
            words.push('[');
            rest = after;
            continue;
        } else {
            after.split_once(']')?
        };
        words += before;
        rest = after;
        match setting.split_once(' ') {
            None if setting == "cluster" => completeness = cluster(""),
            Some(("cluster", said)) => completeness = cluster(said),
            None if setting.is_empty() => {}
            _ => options.version = setting.parse().expect("a version"),
        }
    }
    words += rest;
    let words = words.trim();
    let expected = match words.split_once(':').map_or((words, ""), |(word, rest)| (word.trim(), rest)) {
        ("fail", paths) => Expected::Fail(paths.split_whitespace().map(str::to_owned).collect()),
        ("pass", _) => Expected::Pass,
        ("unknown", _) => Expected::Unknown,
        ("skip", _) => Expected::Skip,
        _ => return None,
    };
    Some((expected, options, completeness))
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some((expected, options, completeness)) = heading(line) {
            let (words, text) = (Vec::new(), String::new());
            cases.push(Case { line: number + 1, expected, options, completeness, words, text });
        } else if let Some(case) = cases.last_mut() {
            case.words.extend(line.strip_prefix("# says: ").map(str::to_owned));
            case.text += line;
            case.text.push('\n');
        }
    }
    cases
}

/// What is wrong with what a rule says of a case.
fn fault(rule: &'static Rule, case: &Case) -> Option<String> {
    let documents = match yaml::documents(&case.text) {
        Ok(documents) => documents,
        Err(error) => return Some(format!("is no YAML: {error}")),
    };
    let objects: Vec<_> = documents.into_iter().flat_map(flatten).filter_map(|node| Object::new(node, None)).collect();
    let inventory = Inventory::new(objects, case.completeness.clone());
    let report = audit_by(&inventory, &case.options, [rule]);
    let mut found: Vec<String> = report.findings.iter().map(|finding| finding.path.to_string()).collect();
    found.sort();
    let judged = report.tallies.iter().map(|tally| tally.judged).sum::<u32>() > 0;
    let unknown = !report.not_assessable.is_empty();
    for finding in &report.findings {
        let message = &finding.message;
        if !message.ends_with('.') || message.contains('\n') || message.len() < 10 {
            return Some(format!("a message is no sentence: {message:?}"));
        }
        let patch = finding.patch(inventory.object(finding.object));
        if let Err(error) = yaml::documents(&patch) {
            return Some(format!("its patch is no YAML: {error}\n{patch}"));
        }
    }
    if let Some(words) = case.words.iter().find(|words| report.findings.iter().all(|f| !f.message.contains(*words))) {
        let messages: Vec<&str> = report.findings.iter().map(|finding| finding.message.as_str()).collect();
        return Some(format!("no message says {words:?}: {messages:?}"));
    }
    let is_so = match &case.expected {
        Expected::Fail(paths) => {
            let mut paths = paths.clone();
            paths.sort();
            !paths.is_empty() && paths == found
        }
        Expected::Pass => found.is_empty() && judged,
        Expected::Unknown => found.is_empty() && unknown,
        Expected::Skip => found.is_empty() && !unknown && !judged,
    };
    (!is_so).then(|| {
        format!(
            "expected {:?}, found {found:?}, judged {judged}, not assessable {:?}",
            case.expected, report.not_assessable
        )
    })
}

fn files() -> BTreeMap<String, Vec<Case>> {
    let files = fs::read_dir(folder()).expect("there are fixtures");
    files
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
            (name, cases(&fs::read_to_string(&path).expect("text")))
        })
        .collect()
}

#[test]
fn every_rule_passes_and_fails_as_its_fixtures_say() {
    let files = files();
    let mut faults = Vec::new();
    for (name, cases) in &files {
        let Some(rule) = rules::find(name) else {
            faults.push(format!("{name}.yaml: there is no rule of this name"));
            continue;
        };
        for case in cases {
            faults.extend(fault(rule, case).map(|fault| format!("{name}.yaml:{}: {fault}", case.line)));
        }
    }
    for rule in rules::all() {
        let cases = files.get(rule.id).map_or(&[][..], Vec::as_slice);
        if !cases.iter().any(|case| matches!(case.expected, Expected::Fail(_))) {
            faults.push(format!("{}: no case fails", rule.id));
        }
        if !cases.iter().any(|case| case.expected == Expected::Pass) {
            faults.push(format!("{}: no case passes", rule.id));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// A rule without its condition finds nothing, or everything; without its version it is judged for all. What the
/// fixtures say that fails must notice the first, what passes the second, and what is skipped the third.
#[test]
fn the_fixtures_notice_a_rule_without_its_condition() {
    let files = files();
    let mut faults = Vec::new();
    for rule in rules::all() {
        let cases = files.get(rule.id).map_or(&[][..], Vec::as_slice);
        let mut mutants = vec![
            ("finds nothing", mutant(rule, nothing(rule.check), rule.since), "fail"),
            ("finds everything", mutant(rule, everything(rule.check), rule.since), "pass"),
        ];
        if rule.since > ALWAYS {
            mutants.push(("is judged for every version", mutant(rule, rule.check, ALWAYS), "skip"));
        }
        for (what, mutant, kind) in mutants {
            let mut of_kind = cases.iter().filter(|case| case.expected.kind() == kind);
            if !of_kind.any(|case| fault(mutant, case).is_some()) {
                faults.push(format!("{}: no case that is to {kind} notices that it {what}", rule.id));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The first version: what a rule without one is judged for.
const ALWAYS: KubernetesVersion = KubernetesVersion::new(1, 0);

/// A rule with another check or version.
fn mutant(rule: &'static Rule, check: Check, since: KubernetesVersion) -> &'static Rule {
    Box::leak(Box::new(Rule {
        id: rule.id,
        title: rule.title,
        why: rule.why,
        fix: rule.fix,
        patch: rule.patch,
        severity: rule.severity,
        categories: rule.categories,
        controls: rule.controls,
        since,
        references: rule.references,
        check,
    }))
}

fn nothing(check: Check) -> Check {
    match check {
        Check::Pod(_) => Check::Pod(|_, _| {}),
        Check::Container(_) => Check::Container(|_, _| {}),
        Check::Object(kinds, _) => Check::Object(kinds, |_, _| {}),
        Check::Inventory(kinds, _) => Check::Inventory(kinds, |_| {}),
    }
}

fn everything(check: Check) -> Check {
    const MESSAGE: &str = "All is found.";
    match check {
        Check::Pod(_) => Check::Pod(|pod, out| out.fail(pod.spot(""), MESSAGE)),
        Check::Container(_) => Check::Container(|container, out| out.fail(container.spot(""), MESSAGE)),
        Check::Object(kinds, _) => Check::Object(kinds, |object, out| out.fail(object.spot(""), MESSAGE)),
        Check::Inventory(kinds, _) => Check::Inventory(kinds, |out| {
            for object in out.inventory().objects() {
                out.fail(object.spot(""), MESSAGE);
            }
        }),
    }
}

#[test]
fn every_rule_says_what_people_need() {
    let mut ids = BTreeSet::new();
    for rule in rules::all() {
        let id = rule.id;
        assert!(ids.insert(id), "{id}: twice");
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{id}");
        assert!(rule.title.len() >= 8 && rule.title.len() <= 80 && !rule.title.ends_with('.'), "{id}: title");
        assert!(rule.why.len() >= 40 && rule.why.ends_with('.'), "{id}: why");
        assert!(rule.fix.len() >= 15 && rule.fix.ends_with('.'), "{id}: fix");
        assert!(!rule.categories.is_empty(), "{id}: categories");
        assert!(!rule.references.is_empty(), "{id}: references");
        assert!(rule.references.iter().all(|link| link.starts_with("https://")), "{id}: references");
        assert!(!rule.check.kinds().is_empty(), "{id}: kinds");
        let mut controls = BTreeSet::new();
        for (framework, control) in rule.controls {
            assert!(is_control(*framework, control), "{id}: {framework} has no control {control:?}");
            assert!(controls.insert((framework.as_str(), control)), "{id}: {framework} {control} twice");
        }
    }
}

/// Headings of the NSA and CISA's Kubernetes Hardening Guide, version 1.2: chapters and what is in them.
const NSA: &[&str] = &[
    "Kubernetes Pod security",
    "Immutable container file systems",
    "Building secure container images",
    "Protecting Pod service account tokens",
    "Network separation and hardening",
    "Resource policies",
    "Control plane hardening",
    "Encryption",
    "Secrets",
    "Authentication and authorization",
    "Audit Logging and Threat Detection",
    "Upgrading and application security practices",
];

/// Techniques of the matrix for containers, and subtechniques of theirs.
///
/// Source: <https://attack.mitre.org/matrices/enterprise/containers/>
const MITRE: &[&str] = &[
    "T1036",
    "T1046",
    "T1053.007",
    "T1068",
    "T1069",
    "T1070",
    "T1078",
    "T1098",
    "T1098.006",
    "T1110",
    "T1133",
    "T1136",
    "T1190",
    "T1204.003",
    "T1485",
    "T1490",
    "T1496",
    "T1498",
    "T1499",
    "T1525",
    "T1528",
    "T1543.005",
    "T1550.001",
    "T1552",
    "T1552.001",
    "T1552.007",
    "T1562.001",
    "T1609",
    "T1610",
    "T1611",
    "T1612",
    "T1613",
];

/// The last recommendation of each section of the CIS Kubernetes Benchmark 1.12.
const CIS: &[(&str, u32)] = &[
    ("1.1", 21),
    ("1.2", 30),
    ("1.3", 7),
    ("1.4", 2),
    ("2", 7),
    ("3.1", 3),
    ("3.2", 2),
    ("4.1", 10),
    ("4.2", 14),
    ("4.3", 1),
    ("5.1", 13),
    ("5.2", 12),
    ("5.3", 2),
    ("5.4", 2),
    ("5.5", 1),
    ("5.6", 4),
];

/// Controls of annex A of ISO/IEC 27001:2022, by chapter.
const ISO: &[(&str, u32)] = &[("A.5", 37), ("A.6", 8), ("A.7", 14), ("A.8", 34)];

/// Common criteria of the Trust Services Criteria, by group.
const SOC2: &[(&str, u32)] =
    &[("CC1", 5), ("CC2", 3), ("CC3", 4), ("CC4", 2), ("CC5", 3), ("CC6", 8), ("CC7", 5), ("CC8", 1), ("CC9", 2)];

fn is_in(sections: &[(&str, u32)], control: &str) -> bool {
    control.rsplit_once('.').is_some_and(|(section, number)| {
        let number = number.parse().ok().filter(|n: &u32| n.to_string() == number).unwrap_or(0);
        sections.iter().any(|(known, last)| *known == section && (1..=*last).contains(&number))
    })
}

/// One spelling of each control, and only of those that there are.
fn is_control(framework: Framework, control: &str) -> bool {
    match framework {
        Framework::Cis => is_in(CIS, control),
        Framework::Nsa => NSA.contains(&control),
        Framework::Mitre => MITRE.contains(&control),
        Framework::Soc2 => is_in(SOC2, control),
        Framework::Iso27001 => is_in(ISO, control),
        // Three or four numbers: requirements 1 to 12 and their parts.
        Framework::Pci => {
            let parts: Vec<Option<u32>> = control.split('.').map(|part| part.parse().ok()).collect();
            matches!(
                parts[..],
                [Some(1..=12), Some(1..=10), Some(1..=10)] | [Some(1..=12), Some(1..=10), Some(1..=10), Some(1..=3)]
            )
        }
        // The headings of the standard; the tests of the Pod Security Standards know them.
        Framework::PssBaseline | Framework::PssRestricted => !control.is_empty() && control == control.trim(),
    }
}
