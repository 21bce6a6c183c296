//! What people read of a rule, and of all of them, as Markdown.

use std::{cmp::Reverse, iter::once};

use crate::{
    object::Kind,
    rule::{Category, Check, Framework, Patch, Rule},
    rules,
    version::KubernetesVersion,
};

impl Rule {
    /// Its page: what it is about, why that matters, what to do, and what it is evidence for.
    pub fn page(&self) -> String {
        let facts = [
            ("severity", self.severity.title().to_owned()),
            ("about", titles(self.categories)),
            ("looked at", looked_at(&self.check)),
            ("judged for", judged_for(self.since)),
        ];
        let facts = facts.map(|(name, value)| format!("| {name} | {value} |\n")).concat();
        let parts = [
            format!("# {}\n\n| rule | `{}` |\n|---|---|\n{facts}", prose(self.title), self.id),
            format!("## Why it matters\n\n{}\n", prose(self.why)),
            format!("## How to mend it\n\n{}\n", prose(self.fix)),
            patch(self.patch),
            controls(self.controls),
            list("References", self.references.iter().map(|link| format!("<{link}>"))),
        ];
        parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// The catalogue: a table for each category, of the rules that are about it first of all, worst first.
pub fn catalogue() -> String {
    let mut parts = Vec::new();
    for category in Category::ALL {
        let mut found: Vec<_> = rules::all().filter(|rule| rule.categories.first() == Some(category)).collect();
        found.sort_by_key(|rule| (Reverse(rule.severity), rule.id));
        if !found.is_empty() {
            parts.push((category.title(), found));
        }
    }
    let contents = parts
        .iter()
        .map(|(title, found)| format!("- [{title}](#{}): {}\n", title.to_lowercase().replace(' ', "-"), found.len()));
    let tables = parts.iter().map(|(title, found)| {
        let rows = found.iter().map(|rule| {
            let (id, title, severity) = (rule.id, prose(rule.title), rule.severity.title());
            format!("| `{id}` | {title} | {severity} | {} |\n", titles(&rule.categories[1..]))
        });
        let heading = "| rule | what is wrong | severity | also about |\n|---|---|---|---|\n";
        format!("\n## {title}\n\n{heading}{}", rows.collect::<String>())
    });
    contents.chain(tables).collect()
}

fn titles(categories: &[Category]) -> String {
    categories.iter().map(|category| category.title()).collect::<Vec<_>>().join(", ")
}

fn looked_at(check: &Check) -> String {
    let names = |kinds: &[Kind]| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    match check {
        Check::Pod(_) | Check::Container(_) => {
            format!("pods and templates of pods: {}, and other kinds with `spec.template.spec`", names(Kind::WITH_PODS))
        }
        Check::Object(kinds, _) | Check::Inventory(kinds, _) if kinds.len() > Kind::ALL.len() => {
            "objects of every kind".to_owned()
        }
        Check::Object(kinds, _) | Check::Inventory(kinds, _) if kinds.len() == Kind::ALL.len() => {
            "objects of all kinds that rules have a name for".to_owned()
        }
        Check::Object(kinds, _) | Check::Inventory(kinds, _) => names(kinds),
    }
}

fn judged_for(since: KubernetesVersion) -> String {
    if since <= KubernetesVersion::new(1, 0) {
        "every version of Kubernetes".to_owned()
    } else {
        format!("Kubernetes {since} and newer")
    }
}

fn patch(patch: Patch) -> String {
    let (place, yaml) = match patch {
        Patch::None => return String::new(),
        Patch::Container(yaml) => ("In the container", yaml),
        Patch::Pod(yaml) => ("In the `spec` of the pod or of its template", yaml),
        Patch::Object(yaml) => ("In the object", yaml),
    };
    format!("{place}:\n\n```yaml\n{yaml}```\n")
}

fn controls(controls: &[(Framework, &str)]) -> String {
    let of = |framework: Framework| {
        let found: Vec<_> = controls.iter().filter(|(of, _)| *of == framework).map(|(_, name)| *name).collect();
        (!found.is_empty()).then(|| format!("{}: {}", framework.title(), found.join(", ")))
    };
    list("Controls that it is evidence for", Framework::ALL.iter().filter_map(|framework| of(*framework)))
}

fn list(heading: &str, items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.map(|item| format!("- {item}")).collect();
    if items.is_empty() { String::new() } else { format!("## {heading}\n\n{}\n", items.join("\n")) }
}

/// Words of a rule. What stands between backticks is code; nothing else means anything to Markdown.
fn prose(text: &str) -> String {
    let escaped = |text: &str| {
        let slashed = |c: char| once('\\').filter(move |_| r"\*[]<>&|#".contains(c)).chain(once(c));
        text.chars().flat_map(slashed).collect::<String>()
    };
    let parts: Vec<_> = text.split('`').collect();
    // One that has no other beside it is itself.
    if parts.len() % 2 == 0 {
        return parts.into_iter().map(escaped).collect::<Vec<_>>().join("\\`");
    }
    let parts = parts.into_iter().enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { escaped(part) } else { format!("`{part}`") }).collect()
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser};

    use super::*;
    use crate::{rule::Severity, yaml};

    /// What is left to read of Markdown, without its marks.
    fn read(markdown: &str) -> String {
        Parser::new_ext(markdown, Options::ENABLE_TABLES)
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) => Some(text.to_string()),
                Event::Start(_) | Event::End(_) => None,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_page_says_all_that_the_rule_says() {
        for rule in rules::all() {
            let page = rule.page();
            let text = read(&page);
            let words = [rule.id, rule.title, rule.why, rule.fix, rule.severity.title()];
            let controls = rule.controls.iter().flat_map(|(framework, name)| [framework.title(), name]);
            let categories = rule.categories.iter().map(|category| category.title());
            for words in words.into_iter().chain(rule.references.iter().copied()).chain(controls).chain(categories) {
                assert!(text.contains(&words.replace('`', "")), "{words:?} in {page}");
            }
            assert!(!page.contains("\n\n\n"), "{page}");
            let block = page.split_once("```yaml\n").map(|(_, rest)| rest.split_once("```").unwrap().0);
            assert_eq!(block.is_some(), rule.patch != Patch::None);
            assert!(block.is_none_or(|block| yaml::documents(block).unwrap()[0].is_map()), "{page}");
        }
    }

    #[test]
    fn a_page_is_as_people_read_it() {
        let rule = Rule {
            id: "an-id",
            title: "A title",
            why: "Since `a*b` is not *.b.",
            fix: "Do it.",
            patch: Patch::Pod("hostPID: false\n"),
            severity: Severity::High,
            categories: &[Category::Security, Category::Network],
            controls: &[(Framework::Cis, "5.2.3"), (Framework::Mitre, "T1611"), (Framework::Cis, "5.2.4")],
            since: KubernetesVersion::new(1, 22),
            references: &["https://example.com/a_b"],
            check: Check::Object(&[Kind::Pod, Kind::Other], |_, _| {}),
        };
        expect_test::expect![[r"
            # A title

            | rule | `an-id` |
            |---|---|
            | severity | High |
            | about | Workload security, Network |
            | looked at | Pod, other kinds |
            | judged for | Kubernetes 1.22 and newer |

            ## Why it matters

            Since `a*b` is not \*.b.

            ## How to mend it

            Do it.

            In the `spec` of the pod or of its template:

            ```yaml
            hostPID: false
            ```

            ## Controls that it is evidence for

            - CIS Kubernetes Benchmark: 5.2.3, 5.2.4
            - MITRE ATT&CK: T1611

            ## References

            - <https://example.com/a_b>
        "]]
        .assert_eq(&rule.page());
        let bare =
            Rule { patch: Patch::Container("a: 1\n"), controls: &[], since: KubernetesVersion::new(1, 0), ..rule };
        let page = bare.page();
        assert!(page.contains("| judged for | every version of Kubernetes |") && !page.contains("Controls"), "{page}");
        assert!(page.contains("In the container:\n\n```yaml\na: 1\n```"), "{page}");
        let all = Rule { check: Check::Inventory(Kind::ALL, |_| {}), patch: Patch::Object("a: 1\n"), ..bare };
        assert!(all.page().contains("| objects of all kinds that ") && all.page().contains("In the object:"));
        let every = rules::find("api-removed").unwrap();
        assert!(every.page().contains("| objects of every kind |"));
        let pods = Rule { check: Check::Pod(|_, _| {}), ..all };
        assert!(pods.page().contains("| pods and templates of pods: Pod, PodTemplate, "));
    }

    #[test]
    fn words_are_no_markdown() {
        for text in ["a `b", "*.c and *.d", "[x](y)", "<b> &amp; c", "a | b", "\\", "SYS_ADMIN_x", "``", "# a"] {
            assert_eq!(read(&prose(text)).replace('`', ""), text.replace('`', ""), "{}", prose(text));
        }
        assert_eq!(prose("`a|b` c|d"), "`a|b` c\\|d");
    }

    /// The documentation's list is this one. `UPDATE_EXPECT=1` writes it anew.
    #[test]
    fn the_documentation_lists_every_rule() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit/rules.md");
        let text = std::fs::read_to_string(file).unwrap();
        let (begin, end) = ("<!-- rules -->\n", "<!-- /rules -->");
        let (before, rest) = text.split_once(begin).unwrap();
        let (_, after) = rest.split_once(end).unwrap();
        expect_test::expect_file![file].assert_eq(&format!("{before}{begin}\n{}\n{end}{after}", catalogue()));
        for rule in rules::all() {
            assert_eq!(catalogue().matches(&format!("| `{}` |", rule.id)).count(), 1, "{}", rule.id);
        }
    }
}
