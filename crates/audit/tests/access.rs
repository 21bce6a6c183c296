//! Who may do what, as Kubernetes' RBAC authorizer decides it.

use kubewise_audit::{
    Completeness, Inventory, Kind, Node, Object, Options,
    access::{PolicyRule, Reach, Request, Subject},
    audit, audit_by, flatten, rules, yaml,
};
use proptest::prelude::*;

fn inventory(text: &str, completeness: Completeness) -> Inventory {
    let documents = yaml::documents(text).expect("YAML").into_iter().flat_map(flatten);
    Inventory::new(documents.filter_map(|node| Object::new(node, None)), completeness)
}

fn manifests(text: &str) -> Inventory {
    inventory(text, Completeness::Manifests)
}

fn cluster(text: &str) -> Inventory {
    let whole = Kind::ALL.iter().copied().collect();
    inventory(text, Completeness::Cluster { whole, without_values: true, version: None })
}

/// `get pods/exec.apps one`: verb, resource with its subresource and group, and name.
fn request(text: &str) -> Request<'_> {
    let mut words = text.split(' ');
    let verb = words.next().unwrap_or_default();
    let (what, group) = words.next().and_then(|word| word.split_once('.')).unwrap_or_default();
    let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
    Request { verb, group, resource, subresource, name: words.next().unwrap_or_default() }
}

#[test]
fn rules_allow_what_the_authorizer_allows() {
    let pods = r#"{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}"#;
    let named = r#"{"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "pods/log"], "resourceNames": ["one"]}"#;
    let exec = r#"{"verbs": ["create"], "apiGroups": [""], "resources": ["pods/exec"]}"#;
    let scale = r#"{"verbs": ["update"], "apiGroups": ["apps"], "resources": ["*/scale"]}"#;
    let inner = r#"{"verbs": ["create"], "apiGroups": [""], "resources": ["pods/*"]}"#;
    let all = r#"{"verbs": ["get"], "apiGroups": [""], "resources": ["*"]}"#;
    let everything = r#"{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}"#;
    for (rule, asked, expected) in [
        (pods, "get pods.", true),
        (pods, "get pods. one", true),
        (pods, "list pods.", false),
        (pods, "get secrets.", false),
        (pods, "get pods.apps", false),
        (pods, "get pods/log.", false),
        (named, "get pods. one", true),
        (named, "get pods. two", false),
        (named, "get pods.", false),
        (named, "get pods/log. one", true),
        (exec, "create pods/exec.", true),
        (exec, "create pods.", false),
        (exec, "create nodes/exec.", false),
        (exec, "create pods/attach.", false),
        (scale, "update deployments/scale.apps", true),
        (scale, "update deployments.apps", false),
        (scale, "update deployments/status.apps", false),
        (scale, "update deployments/scale.", false),
        (inner, "create pods/exec.", false),
        (inner, "create pods.", false),
        (all, "get pods/log.", true),
        (all, "get secrets.", true),
        (all, "get deployments.apps", false),
        (everything, "escalate clusterroles.rbac.authorization.k8s.io", true),
        (everything, "get pods/log. one", true),
        (r#"{"verbs": ["get"], "resources": ["pods"]}"#, "get pods.", false),
        (r#"{"verbs": "get", "apiGroups": "", "resources": {"pods": 1}}"#, "get pods.", false),
    ] {
        let rule = PolicyRule::parse(&serde_json::from_str(rule).unwrap());
        assert_eq!(rule.allows(&request(asked)), expected, "{rule:?}: {asked}");
    }
}

#[test]
fn rules_allow_urls_as_the_authorizer_does() {
    for (url, asked, expected) in [
        ("/metrics", "/metrics", true),
        ("/metrics", "/metrics/x", false),
        ("/healthz/*", "/healthz/etcd", true),
        ("/healthz/*", "/healthz", false),
        ("*", "/anything", true),
        ("/a*", "/ab", true),
        ("/b", "/a", false),
    ] {
        let rule = format!(r#"{{"verbs": ["get"], "nonResourceURLs": ["{url}"]}}"#);
        let rule = PolicyRule::parse(&serde_json::from_str(&rule).unwrap());
        assert_eq!(rule.allows_url("get", asked), expected, "{url}: {asked}");
        assert!(!rule.allows_url("post", asked));
    }
}

const SHOP: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: whole}
aggregationRule:
  clusterRoleSelectors:
    - matchLabels: {part: "yes"}
    - matchExpressions: [{key: other, operator: Exists}]
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: part, labels: {part: "yes", other: "yes"}}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: other, labels: {other: "1"}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: no-part, labels: {part: "no"}}
rules: [{apiGroups: [""], resources: [services], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: all}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: whole}
subjects:
  - {kind: ServiceAccount, name: web, namespace: shop}
  - {kind: ServiceAccount, name: nobody}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: here, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects:
  - {kind: Group, name: "system:serviceaccounts:shop"}
  - {kind: User, name: jane}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {spec: {serviceAccountName: web, containers: []}}}
"#;

fn account(name: &str) -> Subject {
    Subject::ServiceAccount { namespace: "shop".into(), name: name.into() }
}

fn may(inventory: &Inventory, subject: &Subject, asked: &str) -> bool {
    inventory.access().grants_of(subject).iter().any(|grant| grant.allows(&request(asked)))
}

#[test]
fn an_aggregated_role_has_the_rules_of_those_that_it_selects() {
    let inventory = manifests(SHOP);
    for (asked, expected) in [
        ("get secrets.", true),
        ("get pods.", true),
        ("get services.", true),
        ("get nodes.", false),
        ("list nodes.", false),
    ] {
        // Services by the group's role in the namespace.
        assert_eq!(may(&inventory, &account("web"), asked), expected, "{asked}");
    }
    assert!(!may(&inventory, &account("other"), "get secrets."));
    // In a cluster its rules are there, and nothing else counts.
    let live = cluster(SHOP);
    assert!(may(&live, &account("web"), "get nodes.") && !may(&live, &account("web"), "get secrets."));
}

#[test]
fn a_part_holds_where_the_whole_is_bound() {
    for inventory in [manifests(SHOP), cluster(SHOP)] {
        let reach = |name| {
            let access = inventory.access();
            access.reach(access.role(inventory.find(Kind::ClusterRole, "", name).unwrap()).unwrap())
        };
        assert_eq!(
            (reach("whole"), reach("part"), reach("other")),
            (Reach::Everywhere, Reach::Everywhere, Reach::Everywhere)
        );
        assert_eq!(reach("no-part"), if inventory.is_manifests() { Reach::Everywhere } else { Reach::Nowhere });
    }
}

/// As `admin` selects `edit`, which selects what extends it.
#[test]
fn aggregated_roles_select_aggregated_roles() {
    let role = |name: &str, label: &str, selected: &str, verb: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {name}, labels: {{for: {label}}}}}\n\
             aggregationRule: {{clusterRoleSelectors: [{{matchLabels: {{for: {selected}}}}}]}}\n\
             rules: [{{apiGroups: [''], resources: [pods], verbs: [{verb}]}}]\n---\n"
        )
    };
    let leaf = role("leaf", "middle", "none", "get").replace("aggregationRule", "x");
    let text = role("top", "bottom", "top", "update") + &role("middle", "top", "middle", "list") + &leaf;
    let text = text
        + &role("round", "middle", "bottom", "patch")
        + "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\n\
           roleRef: {kind: ClusterRole, name: top}\nsubjects: [{kind: User, name: jane}]\n";
    let inventory = manifests(&text);
    let jane = Subject::user("jane");
    assert!(may(&inventory, &jane, "get pods.") && !may(&inventory, &jane, "list pods."));
    let live = cluster(&text);
    assert!(may(&live, &jane, "update pods.") && !may(&live, &jane, "get pods."));
    let leaf = live.access().role(live.find(Kind::ClusterRole, "", "leaf").unwrap()).unwrap();
    assert_eq!(live.access().reach(leaf), Reach::Everywhere);
    assert!(live.access().is_part(leaf));
}

#[test]
fn grants_and_workloads_of_subjects() {
    let inventory = manifests(SHOP);
    let access = inventory.access();
    let names = |subject: &Subject| -> Vec<String> {
        access.grants_of(subject).iter().map(|g| format!("{} {:?}", g.role.name, g.namespace())).collect()
    };
    assert_eq!(names(&account("web")), ["whole None", "view Some(\"shop\")"]);
    assert_eq!(names(&account("nobody")), ["view Some(\"shop\")"]);
    assert_eq!(names(&Subject::user("jane")), ["view Some(\"shop\")"]);
    assert_eq!(names(&Subject::user("system:serviceaccount:shop:web")), names(&account("web")));
    assert_eq!(names(&Subject::Group("system:serviceaccounts:shop".into())), ["view Some(\"shop\")"]);
    assert!(names(&Subject::Group("jane".into())).is_empty());
    let web = inventory.find(Kind::Deployment, "shop", "web").unwrap().index();
    assert_eq!(access.workloads_of("shop", "web"), [web]);
    assert!(access.workloads_of("shop", "default").is_empty() && access.workloads_of("default", "web").is_empty());
    let who = |asked, namespace| -> Vec<String> {
        access.what_can(&request(asked), namespace).map(|(subject, _)| subject.to_string()).collect()
    };
    assert_eq!(who("get secrets.", None), ["service account \"shop/web\""]);
    assert_eq!(who("list services.", Some("shop")), ["group \"system:serviceaccounts:shop\"", "user \"jane\""]);
    assert!(who("list services.", Some("other")).is_empty() && who("list services.", None).is_empty());
}

#[test]
fn an_anonymous_user_is_not_an_authenticated_one() {
    let binding = |group: &str| {
        manifests(&format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: b}}\n\
             roleRef: {{kind: ClusterRole, name: view}}\nsubjects: [{{kind: Group, name: \"system:{group}\"}}]\n"
        ))
    };
    let (known, unknown) = (binding("authenticated"), binding("unauthenticated"));
    let (jane, anonymous) = (Subject::user("jane"), Subject::user("system:anonymous"));
    assert!(may(&known, &jane, "get pods.") && may(&known, &account("x"), "get pods."));
    assert!(!may(&known, &anonymous, "get pods.") && may(&unknown, &anonymous, "get pods."));
    assert!(!may(&unknown, &jane, "get pods.") && !may(&unknown, &account("x"), "get pods."));
}

/// Where manifests say no namespace, all of them are taken to be in the same one.
#[test]
fn what_has_no_namespace_is_in_the_default_one() {
    let inventory = manifests(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\n\
         rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b}\nroleRef: {kind: Role, name: r}\n\
         subjects: [{kind: ServiceAccount, name: web}]\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {serviceAccountName: web, containers: []}\n",
    );
    let web = Subject::ServiceAccount { namespace: "default".into(), name: "web".into() };
    assert!(may(&inventory, &web, "get pods."));
    assert_eq!(inventory.access().workloads_of("", "web").len(), 1);
}

/// What could not be read may bind, run as or be what is looked for.
#[test]
fn what_was_not_read_is_not_missed() {
    let object = |kind: &str, more: &str| {
        let version = if kind == "ServiceAccount" { "v1" } else { "rbac.authorization.k8s.io/v1" };
        format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a, namespace: shop}}\n{more}")
    };
    let binding = |kind: &str, role: &str| {
        let subjects = "subjects: [{kind: ServiceAccount, name: x, namespace: shop}]\n";
        object(kind, &format!("roleRef: {{kind: {role}, name: x}}\n{subjects}"))
    };
    let unread = |text: &str, rule: &str, kinds: &[Kind]| {
        let rule = rules::find(rule).expect("a rule");
        for missing in std::iter::once(None).chain(kinds.iter().copied().map(Some)) {
            let whole = Kind::ALL.iter().copied().filter(|kind| Some(*kind) != missing).collect();
            let inventory = inventory(text, Completeness::Cluster { whole, without_values: true, version: None });
            let report = audit_by(&inventory, &Options::default(), [rule]);
            let expected = (usize::from(missing.is_none()), usize::from(missing.is_some()));
            assert_eq!((report.findings.len(), report.not_assessable.len()), expected, "{}: {missing:?}", rule.id);
        }
    };
    let workloads = [Kind::Pod, Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Job, Kind::CronJob];
    unread(&object("ServiceAccount", ""), "service-account-unused", &workloads);
    unread(&object("Role", ""), "role-unbound", &[Kind::RoleBinding, Kind::ClusterRoleBinding]);
    unread(&binding("RoleBinding", "Role"), "binding-to-missing-role", &[Kind::Role]);
    unread(&binding("RoleBinding", "ClusterRole"), "binding-to-missing-role", &[Kind::ClusterRole]);
    unread(&binding("RoleBinding", "Role"), "binding-to-missing-service-account", &[Kind::ServiceAccount]);
}

/// A role that nothing binds holds nowhere only when all bindings are known.
#[test]
fn bindings_that_were_not_read_may_bind() {
    let text = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n";
    for (missing, expected) in [
        (Kind::Secret, Reach::Nowhere),
        (Kind::RoleBinding, Reach::Everywhere),
        (Kind::ClusterRoleBinding, Reach::Everywhere),
    ] {
        let whole = Kind::ALL.iter().copied().filter(|kind| *kind != missing).collect();
        let inventory = inventory(text, Completeness::Cluster { whole, without_values: true, version: None });
        let role = inventory.access().role(&inventory.objects()[0]).unwrap();
        assert_eq!(inventory.access().reach(role), expected, "{missing:?}");
    }
}

#[test]
fn messages_name_what_was_found() {
    let role = |kind: &str, rule: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: r}}\nrules: [{{{rule}}}]\n---\n"
        )
    };
    let binding = |kind: &str, role: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: b, namespace: shop}}\n\
             roleRef: {{kind: ClusterRole, name: {role}}}\nsubjects: [{{kind: ServiceAccount, name: web, namespace: shop}}]\n---\n"
        )
    };
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{serviceAccountName: web}}\n---\n"
        )
    };
    let secrets = "apiGroups: [''], resources: [secrets], verbs: [list, get]";
    let all = "apiGroups: ['*'], resources: ['*'], verbs: ['*']";
    let admin = binding("ClusterRoleBinding", "cluster-admin");
    for (text, rule, expected) in [
        (
            role("ClusterRole", secrets),
            "secrets-read-cluster-wide",
            "ClusterRole \"r\" allows get, list on secrets in every namespace.",
        ),
        (role("Role", secrets), "secrets-read", "Role \"r\" allows get, list on secrets in namespace \"default\"."),
        (
            role("ClusterRole", secrets) + &binding("RoleBinding", "r"),
            "secrets-read",
            "ClusterRole \"r\" allows get, list on secrets in the namespaces it is bound in.",
        ),
        (
            role("ClusterRole", all),
            "cluster-role-full-access",
            "ClusterRole \"r\" allows all verbs on all resources in the cluster.",
        ),
        (
            role("Role", all),
            "role-full-access",
            "Role \"r\" allows all verbs on all resources in namespace \"default\".",
        ),
        (
            role("Role", "apiGroups: [apps], resources: [deployments, daemonsets], verbs: [create]"),
            "workloads-create",
            "Role \"r\" allows create on deployments and one other resource in namespace \"default\".",
        ),
        (
            role("ClusterRole", "apiGroups: [''], resources: [nodes/proxy], verbs: [get]"),
            "nodes-proxy",
            "ClusterRole \"r\" allows get on nodes/proxy.",
        ),
        (
            admin.clone(),
            "cluster-admin-service-account",
            "The service account \"shop/web\", which no workload here runs as, is cluster-admin.",
        ),
        (
            admin.clone() + &pod("a"),
            "cluster-admin-service-account",
            "The service account \"shop/web\", which Pod/shop/a runs as, is cluster-admin.",
        ),
        (
            admin.clone() + &pod("a") + &pod("b"),
            "cluster-admin-service-account",
            "The service account \"shop/web\", which Pod/shop/a and 1 more run as, is cluster-admin.",
        ),
        (
            binding("RoleBinding", "cluster-admin"),
            "cluster-admin-in-namespace",
            "The service account \"shop/web\", which no workload here runs as, is cluster-admin in namespace \"shop\".",
        ),
        (
            admin.replace("ServiceAccount, name: web", "User, name: jane"),
            "cluster-admin-user",
            "The user \"jane\" is cluster-admin.",
        ),
        (
            admin + &pod("a"),
            "workload-cluster-admin",
            "Its service account \"web\" has all rights in the whole cluster by ClusterRole cluster-admin (bound by b).",
        ),
    ] {
        let report = audit_by(&manifests(&text), &Options::default(), [rules::find(rule).expect("a rule")]);
        let messages: Vec<&str> = report.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages, [expected], "{rule}");
    }
}

/// Anything at all, at the places that rules look at.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let words =
        ["*", "", "pods", "pods/exec", "a/b/c", "/", "get", "secrets", "yes", "part", "ServiceAccount", "User", "r"];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        proptest::sample::select(words.to_vec()).prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let keys = [
            "verbs",
            "apiGroups",
            "resources",
            "resourceNames",
            "kind",
            "name",
            "namespace",
            "matchLabels",
            "part",
            "clusterRoleSelectors",
            "matchExpressions",
            "operator",
            "clientConfig",
            "service",
            "rules",
            "url",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((proptest::sample::select(keys.to_vec()), inner), 0..5).prop_map(|entries| {
                entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<serde_json::Map<_, _>>().into()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_input_panics(objects in proptest::collection::vec((0_usize..11, value(), value(), value(), value()), 1..6), live in any::<bool>()) {
        let kinds = [
            ("rbac.authorization.k8s.io/v1", "Role"), ("rbac.authorization.k8s.io/v1", "ClusterRole"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding"), ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
            ("v1", "ServiceAccount"), ("v1", "Pod"), ("v1", "Namespace"),
            ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
            ("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration"),
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
        ];
        let objects = objects.into_iter().filter_map(|(kind, labels, name, one, two)| {
            let (api_version, kind) = kinds[kind];
            let root = serde_json::json!({
                "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": labels},
                "rules": one, "subjects": two, "roleRef": one, "aggregationRule": two, "webhooks": one, "spec": two,
            });
            Object::new(serde_json::from_value::<Node>(root).ok()?, None)
        });
        let whole = Kind::ALL.iter().copied().collect();
        let completeness =
            if live { Completeness::Cluster { whole, without_values: true, version: None } } else { Completeness::Manifests };
        let inventory = Inventory::new(objects, completeness);
        drop(audit(&inventory, &Options::default()));
        let access = inventory.access();
        for object in inventory.objects() {
            let subjects = access.binding(object).map_or(&[][..], |binding| &binding.subjects);
            if let Some(role) = access.role(object) {
                prop_assert!(access.rules(role).count() < 1000);
            }
            for (_, subject) in subjects {
                drop(access.grants_of(subject));
            }
        }
    }
}
