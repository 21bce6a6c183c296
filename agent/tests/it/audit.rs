//! `kubewise-agent audit`: files in, reports and exit codes out.

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  hostNetwork: true
  containers: [{name: app, image: app:1}]
";

/// Nothing that a rule of pod security says anything about.
const CONFIG: &str = "apiVersion: v1\nkind: Widget\nmetadata: {name: x}\n";

/// The one rule of these tests, alone: what others find in the same files is theirs.
const PROFILE: [&str; 2] = ["--profile", "pss-baseline"];

struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        for (name, text) in files {
            let path = folder.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubewise-agent"));
        command.env_clear().current_dir(self.path()).arg("audit").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The exit code, standard output and standard error of an audit by the profile of these tests.
    fn audit(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).args(PROFILE).output().unwrap();
        said(output)
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, text, _) = self.audit(&[arguments, &["--format", "json"]].concat());
        (code, serde_json::from_str(&text).unwrap())
    }
}

fn said(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn names(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|f| f["resource"]["name"].as_str().unwrap()).collect()
}

#[test]
fn json_says_what_was_found_and_where() {
    let folder = Folder::new(&[("deploy/web.yaml", POD)]);
    let (code, report) = folder.json(&["deploy"]);
    assert_eq!(code, 1);
    let finding = &report["findings"][0];
    assert_eq!(finding["rule"], "pss-host-namespaces");
    assert_eq!(finding["severity"], "critical");
    let resource = json!({"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web"});
    assert_eq!(finding["resource"], resource);
    assert_eq!((&finding["source"], &finding["line"]), (&json!("deploy/web.yaml"), &json!(5)));
    assert_eq!(finding["path"], "spec.hostNetwork");
    assert!(finding["message"].as_str().unwrap().contains("hostNetwork: true"));
    assert!(finding["remediation"].as_str().unwrap().contains("hostNetwork"));
    assert_eq!(finding["fingerprint"].as_str().unwrap().len(), 32);
    assert_eq!(report["not_assessable"], json!([]));
    let summary = &report["summary"];
    assert_eq!((&summary["critical"], &summary["objects"]), (&json!(1), &json!(1)));
    assert!(summary["rules"].as_u64().unwrap() >= 1 && summary["score"].is_number());
    assert_eq!((&summary["profile"], &summary["files"]), (&json!("pss-baseline"), &json!(1)));
}

#[test]
fn the_exit_code_is_by_the_threshold() {
    let folder = Folder::new(&[("bad.yaml", POD), ("good.yaml", CONFIG)]);
    for (arguments, expected) in [
        (&["good.yaml"][..], 0),
        (&["bad.yaml"], 1),
        (&["bad.yaml", "--fail-on", "critical"], 1),
        (&["bad.yaml", "--fail-on", "never"], 0),
        (&["missing.yaml"], 2),
        (&["bad.yaml", "missing.yaml"], 2),
        (&["bad.yaml", "--fail-on", "terrible"], 2),
        (&["bad.yaml", "--kubernetes-version", "newest"], 2),
        (&["bad.yaml", "--format", "pdf"], 2),
        (&[], 2),
    ] {
        assert_eq!(folder.audit(arguments).0, expected, "{arguments:?}");
    }
    let wrong = folder.command(&["bad.yaml", "--profile", "nothing"]).output().unwrap();
    let (code, _, error) = said(wrong);
    assert!(code == 2 && error.contains("pss-restricted"), "{error}");
    let none_of_it = folder.command(&["bad.yaml", "--profile", "deprecation"]).output().unwrap();
    assert_eq!(none_of_it.status.code(), Some(0));
}

#[test]
fn folders_are_walked_in_order_and_each_file_once() {
    let pod = |name: &str| POD.replace("web", name);
    let folder = Folder::new(&[
        ("b.yml", &pod("second")),
        ("a.YAML", &pod("first")),
        (
            "c/d.json",
            r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "third"}, "spec": {"hostPID": true}}"#,
        ),
        (".git/e.yaml", &pod("hidden")),
        ("notes.txt", "hostNetwork: true"),
        ("broken.txt", "{"),
    ]);
    symlink(".", folder.path().join("c/loop")).unwrap();
    symlink("nowhere", folder.path().join("dangling")).unwrap();
    symlink("../a.YAML", folder.path().join("c/again.yaml")).unwrap();
    let (code, report) = folder.json(&[".", "b.yml", "./b.yml", "c"]);
    assert_eq!((code, names(&report)), (1, vec!["first", "second", "third"]));
    assert_eq!(report["summary"]["files"], 3);
    assert_eq!(report["findings"][0]["source"], "a.YAML");
    let absolute = folder.path().join("c");
    let (_, report) = folder.json(&[absolute.to_str().unwrap()]);
    let sources: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| &f["source"]).collect();
    assert_eq!(sources, ["c/again.yaml", "c/d.json"]);
}

#[test]
fn documents_lists_and_what_is_no_object() {
    let several = format!("# first\n---\n{POD}---\n---\nreplicas: 3\n---\n{CONFIG}");
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": {"hostIPC": true}},
        {"apiVersion": "v1", "kind": "PodList", "items": [
            {"metadata": {"name": "two"}, "spec": {"hostIPC": true}}]}]}"#;
    let with_tabs = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\":\t\"Pod\", \"spec\": {\"hostPID\": true}, \"metadata\": {\"name\": \"tabs\"}}";
    let folder = Folder::new(&[
        ("several.yaml", &several),
        ("list.json", list),
        ("tabs.json", with_tabs),
        ("values.yaml", "image: x\n"),
        ("kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"),
        ("bom.yaml", &format!("\u{feff}{}", POD.replace("web", "bom"))),
    ]);
    let (code, report) = folder.json(&["."]);
    assert_eq!((code, names(&report)), (1, vec!["bom", "one", "two", "web", "tabs"]));
    let lines: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| f["line"].as_u64().unwrap()).collect();
    assert_eq!(lines[..4], [5, 2, 4, 7]);
    assert!((1..=3).contains(&lines[4]));
    let summary = &report["summary"];
    assert_eq!((&summary["objects"], &summary["unknown_kinds"]), (&json!(6), &json!(1)));
    let notes = summary["notes"].to_string();
    assert!(notes.contains("3 documents"), "{notes}");
    assert!(
        notes.contains("values.yaml") && notes.contains("kustomization.yaml") && notes.contains("Widget"),
        "{notes}"
    );
}

#[test]
fn standard_input_is_a_file() {
    let folder = Folder::new(&[]);
    let mut child = folder.command(&["-", "--format", "json"]).args(PROFILE).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(POD.as_bytes()).unwrap();
    let (code, text, _) = said(child.wait_with_output().unwrap());
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["findings"][0]["source"]), (1, &json!("stdin")));
}

#[test]
fn what_cannot_be_read_is_named_and_loses_nothing_else() {
    let folder = Folder::new(&[
        ("bad.yaml", "a: 1\nb: [1\nc: {\n"),
        ("chart.yaml", "metadata:\n  name: {{ .Release.Name }}\n"),
        ("pod.yaml", POD),
    ]);
    fs::write(folder.path().join("latin.yaml"), b"a: 1\nb: \xe4\n").unwrap();
    symlink("nowhere.yaml", folder.path().join("gone.yaml")).unwrap();
    let (code, out, error) = folder.audit(&["."]);
    assert_eq!(code, 2);
    assert!(out.contains("pod.yaml:5"), "{out}");
    assert!(error.contains("bad.yaml:") && error.contains("chart.yaml:2: "), "{error}");
    assert!(error.contains("latin.yaml:2: is not UTF-8") && error.contains("gone.yaml: "), "{error}");
    assert_eq!(error.matches("helm template").count(), 1, "{error}");
    let line: u32 = error.split("bad.yaml:").nth(1).unwrap().split(':').next().unwrap().parse().unwrap();
    assert!(line >= 2);
}

/// What people have in their folders, and editors make of it.
#[test]
fn whatever_writes_the_file_it_is_read_alike() {
    let windows = POD.replace('\n', "\r\n");
    let anchors = "apiVersion: v1\nkind: Pod\nmetadata: &named {name: web, namespace: shop}\nx-shared: &shared\n  \
                   hostNetwork: true\nspec:\n  <<: *shared\n  containers: [{name: app, image: app:1}]\n";
    // As Kubernetes has it, the last one counts.
    let twice = POD.replace("  hostNetwork: true", "  hostNetwork: false\n  hostNetwork: true");
    let commented = format!("%YAML 1.2\n---\n# a comment\n\n{POD}...\n");
    let nested = format!("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {}", {
        POD.trim_end().replace('\n', "\n    ")
    });
    for (name, text) in [
        ("windows.yaml", &*windows),
        ("bom.yaml", &format!("\u{feff}{windows}")),
        ("anchors.yaml", anchors),
        ("twice.yaml", &twice),
        ("commented.yaml", &commented),
        ("nested.yaml", &nested),
        ("spaces in its name.yml", POD),
    ] {
        let folder = Folder::new(&[(name, text)]);
        let (code, report) = folder.json(&[name]);
        assert_eq!((code, names(&report)), (1, vec!["web"]), "{name}");
        let finding = &report["findings"][0];
        assert_eq!((&finding["path"], &finding["source"]), (&json!("spec.hostNetwork"), &json!(name)), "{name}");
    }
    // Tabs are no indentation: that is said with the line.
    let folder = Folder::new(&[("tabs.yaml", &POD.replace("  host", "\thost"))]);
    let (code, _, error) = folder.audit(&["tabs.yaml"]);
    assert!(code == 2 && error.contains("tabs.yaml:5: ") && error.contains("tab"), "{error}");
}

/// Whoever may read everything, as root, sees nothing of this.
#[test]
fn what_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new(&[("deploy/web.yaml", POD), ("deploy/locked/a.yaml", POD), ("deploy/secret.yaml", POD)]);
    for (name, mode) in [("deploy/locked", 0o000), ("deploy/secret.yaml", 0o000)] {
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let is_readable = fs::read(folder.path().join("deploy/secret.yaml")).is_ok();
    let (code, out, error) = folder.audit(&["deploy"]);
    fs::set_permissions(folder.path().join("deploy/locked"), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(out.contains("deploy/web.yaml:5"), "{out}");
    if !is_readable {
        assert_eq!(code, 2);
        assert!(error.contains("deploy/locked: Permission denied"), "{error}");
        assert!(error.contains("deploy/secret.yaml: Permission denied"), "{error}");
    }
}

#[test]
fn nothing_to_audit_is_an_error() {
    let folder = Folder::new(&[("values.yaml", "a: 1\n"), ("empty.yaml", "")]);
    let (code, out, error) = folder.audit(&["."]);
    assert!(code == 2 && out.is_empty() && error.contains("no Kubernetes object"), "{error}");
    fs::create_dir(folder.path().join("none")).unwrap();
    assert_eq!(folder.audit(&["none"]).0, 2);
}

#[test]
fn input_that_is_an_attack_is_refused() {
    let deep = "[".repeat(300_000);
    let deep_json = "{\"a\":".repeat(300_000);
    let bomb: String = std::iter::once("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned())
        .chain((1..12).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","))))
        .collect();
    let folder = Folder::new(&[("deep.yaml", &deep), ("deep.json", &deep_json), ("bomb.yaml", &bomb)]);
    for file in ["deep.yaml", "deep.json", "bomb.yaml"] {
        let (code, _, error) = folder.audit(&[file]);
        assert!(code == 2 && error.contains(&format!("{file}:")), "{file}: {code} {error}");
    }
}

#[test]
fn a_baseline_makes_findings_known() {
    let folder = Folder::new(&[("pod.yaml", POD)]);
    let (code, ..) = folder.audit(&["pod.yaml", "--format", "json", "--output", "before.json"]);
    assert_eq!(code, 1);
    // What moved is still known; what is new is not.
    fs::write(folder.path().join("pod.yaml"), format!("# moved\n{POD}")).unwrap();
    let (code, report) = folder.json(&["pod.yaml", "--baseline", "before.json"]);
    assert_eq!((code, &report["findings"][0]["known"], &report["summary"]["known"]), (0, &json!(true), &json!(1)));
    assert_eq!(report["findings"][0]["line"], 6);
    let (_, table, _) = folder.audit(&["pod.yaml", "--baseline", "before.json"]);
    assert!(table.contains("critical (known)") && table.contains("1 known"), "{table}");
    let more = POD.replace("hostNetwork: true", "hostNetwork: true\n  hostPID: true");
    fs::write(folder.path().join("pod.yaml"), more).unwrap();
    let (code, report) = folder.json(&["pod.yaml", "--baseline", "before.json"]);
    assert_eq!((code, &report["summary"]["findings"], &report["summary"]["known"]), (1, &json!(2), &json!(1)));
    for (file, text) in [("x.json", "[]"), ("y.json", "{}"), ("z.json", ""), ("pod.yaml", POD), ("w.json", "\u{1}")] {
        fs::write(folder.path().join(file), text).unwrap();
        let (code, _, error) = folder.audit(&["pod.yaml", "--baseline", file]);
        assert!(code == 2 && error.contains(file), "{error}");
    }
    assert_eq!(folder.audit(&["pod.yaml", "--baseline", "missing.json"]).0, 2);
}

#[test]
fn exceptions_accept_findings_until_they_end() {
    let folder = Folder::new(&[("pod.yaml", POD)]);
    let with = |text: &str| {
        fs::write(folder.path().join("exceptions.yaml"), text).unwrap();
        folder.audit(&["pod.yaml", "--exceptions", "exceptions.yaml", "--format", "json"])
    };
    let (code, out, error) = with(
        "- rule: pss-host-namespaces\n  namespace: shop\n  reason: the node's proxy\n  owner: platform\n  expires: 2999-12-31\n",
    );
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &*error), (0, ""));
    assert_eq!((report["findings"].as_array().unwrap().len(), &report["summary"]["excepted"]), (0, &json!(1)));
    let excepted = &report["excepted"][0];
    assert_eq!(excepted["rule"], "pss-host-namespaces");
    let exception = json!({"reason": "the node's proxy", "owner": "platform", "expires": "2999-12-31"});
    assert_eq!(excepted["exception"], exception);

    let (code, _, error) = with("- {rule: '*', reason: was fine, expires: 2020-01-31}\n");
    assert!(code == 1 && error.contains("ended on 2020-01-31"), "{error}");
    let (code, _, error) = with(r#"[{"rule": "pss-host-namespaces", "name": "another", "reason": "json"}]"#);
    assert!(code == 1 && error.contains("accepts nothing"), "{error}");
    let (code, _, error) = with("- {rule: no-such-rule, reason: x}\n");
    assert!(code == 1 && error.contains("does not exist") && !error.contains("accepts nothing"), "{error}");
    for (wrong, why) in [
        ("- {rule: '*', reason: '  '}\n", "no reason"),
        ("- {rule: '*'}\n", "reason"),
        ("- {rule: '*', reason: x, expires: soon}\n", "soon"),
        ("- {rule: '*', reason: x, kinds: Pod}\n", "kinds"),
        ("rule: '*'\n", "exceptions.yaml"),
    ] {
        let (code, out, error) = with(wrong);
        assert!(code == 2 && out.is_empty() && error.contains(why), "{wrong}: {error}");
    }
    assert_eq!(with("").0, 1);
}

#[test]
fn annotations_are_no_exceptions() {
    let pod = POD.replace("namespace: shop", "namespace: shop, annotations: {kubewise/ignore: '*'}");
    let folder = Folder::new(&[("pod.yaml", &pod)]);
    assert_eq!(folder.audit(&["pod.yaml"]).0, 1);
}

#[test]
fn parameters_are_read_and_checked() {
    let folder =
        Folder::new(&[("pod.yaml", POD), ("good.yaml", "minimumReplicas: 3\n"), ("bad.yaml", "replicas: 3\n")]);
    assert_eq!(folder.audit(&["pod.yaml", "--parameters", "good.yaml"]).0, 1);
    let (code, _, error) = folder.audit(&["pod.yaml", "--parameters", "bad.yaml"]);
    assert!(code == 2 && error.contains("replicas"), "{error}");
}

#[test]
fn sarif_is_valid_and_leads_to_the_line() {
    let exceptions = "- {rule: '*', name: accepted, reason: planned}\n";
    let folder = Folder::new(&[
        ("deploy/web pod.yaml", POD),
        ("accepted.yaml", &POD.replace("web", "accepted")),
        ("exceptions.yml", exceptions),
    ]);
    let arguments = ["deploy", "accepted.yaml", "--exceptions", "exceptions.yml", "--format", "sarif"];
    let output = folder.command(&arguments).output().unwrap();
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    // A pattern for languages has a bracket too many, which is no regular expression of ECMA-262.
    let schema = include_str!("../../../crates/audit/tests/sarif/sarif-schema-2.1.0.json").replace("{2}]?$", "{2}$");
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let faults: Vec<_> = validator.iter_errors(&log).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");

    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let of_rule = |result: &&Value| result["ruleId"] == "pss-host-namespaces";
    let results: Vec<&Value> = run["results"].as_array().unwrap().iter().filter(of_rule).collect();
    assert_eq!(results.len(), 2);
    let found = results[0];
    let rule = &rules[usize::try_from(found["ruleIndex"].as_u64().unwrap()).unwrap()];
    assert_eq!((&rule["id"], &rule["properties"]["security-severity"]), (&json!("pss-host-namespaces"), &json!("9.5")));
    assert_eq!(found["level"], "error");
    let place = &found["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "deploy/web%20pod.yaml");
    assert_eq!(place["region"]["startLine"], 5);
    assert_eq!(results[1]["suppressions"][0]["status"], "accepted");
}

#[test]
fn junit_names_the_failures() {
    use quick_xml::{Reader, events::Event};

    let folder = Folder::new(&[("a<b>&.yaml", &POD.replace("web", "\"w&b\""))]);
    let (code, text, _) = folder.audit(&["a<b>&.yaml", "--format", "junit"]);
    assert_eq!(code, 1);
    let mut reader = Reader::from_str(&text);
    let (mut failures, mut files) = (0, Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => break,
            Event::Start(element) if element.name().as_ref() == "testcase" => {
                if let Some(file) = element.try_get_attribute("file").unwrap() {
                    files.push(quick_xml::escape::unescape(&file.value).unwrap().into_owned());
                }
            }
            Event::Start(element) if element.name().as_ref() == "failure" => failures += 1,
            _ => {}
        }
    }
    assert_eq!((failures, files), (1, vec!["a<b>&.yaml".to_owned()]));
}

#[test]
fn tables_are_plain_where_no_terminal_is() {
    let folder = Folder::new(&[("pod.yaml", POD)]);
    let (_, table, _) = folder.audit(&["pod.yaml"]);
    assert!(!table.contains('\u{1b}'));
    let last = table.lines().last().unwrap();
    assert!(last.starts_with("1 finding: 1 critical. 1 object, "), "{last}");
    for format in ["markdown", "csv", "html"] {
        let (code, text, _) = folder.audit(&["pod.yaml", "--format", format]);
        assert!(code == 1 && text.contains("pss-host-namespaces"), "{format}: {text}");
    }
}

#[test]
fn a_report_goes_to_a_file() {
    let folder = Folder::new(&[("pod.yaml", POD)]);
    let (code, out, error) = folder.audit(&["pod.yaml", "--format", "html", "--output", "report.html"]);
    assert!(code == 1 && out.is_empty() && error.contains("1 finding"), "{error}");
    assert!(fs::read_to_string(folder.path().join("report.html")).unwrap().starts_with("<!doctype html>"));
    let (code, _, error) = folder.audit(&["pod.yaml", "--output", "no/such/folder.json"]);
    assert!(code == 2 && error.contains("no/such/folder.json"), "{error}");
}

#[test]
fn a_reader_that_stops_is_no_crash() {
    let many = format!("{POD}---\n").repeat(5_000);
    let folder = Folder::new(&[("many.yaml", &many)]);
    let mut child = folder.command(&["many.yaml", "--format", "json"]).args(PROFILE).spawn().unwrap();
    drop(child.stdout.take());
    let (code, _, error) = said(child.wait_with_output().unwrap());
    assert_eq!((code, &*error), (1, ""));
}

#[test]
fn rules_are_listed_and_explained() {
    let folder = Folder::new(&[]);
    let (code, list, _) = said(folder.command(&["--list-rules"]).output().unwrap());
    assert!(code == 0 && list.contains("pss-host-namespaces"), "{list}");
    let (code, text, _) = said(folder.command(&["--explain", "pss-host-namespaces"]).output().unwrap());
    assert!(code == 0 && text.contains("CIS Kubernetes Benchmark 5.2.3") && text.contains("hostPID: false"), "{text}");
    let json = folder.command(&["--list-rules", "--format", "json"]).output().unwrap();
    let rules: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(rules.as_array().unwrap().iter().all(|rule| rule["why"].is_string()));
    let (code, _, error) = said(folder.command(&["--explain", "nothing"]).output().unwrap());
    assert!(code == 2 && error.contains("--list-rules"), "{error}");
}
