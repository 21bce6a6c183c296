"""Tests of the agent's Helm chart with Helm's own SDK, without a cluster.

    python deploy/test_chart.py            run the tests
    python deploy/test_chart.py --write    write deploy/manifest/agent.yaml anew from the chart

Needs what is in deploy/requirements.txt. The audit of what the chart renders needs a `kubewise-agent` too, which the
environment names by KUBEWISE_AGENT, as `cargo xtask test --only chart` does; without it, the audit is left out.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

import helm_python
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent
CHART = DEPLOY / "helm" / "kubewise-agent"
MANIFEST = DEPLOY / "manifest" / "agent.yaml"

SERVER = "https://kubewise.example.com"
PLACEHOLDER = "__KUBEWISE_SERVER__"
DIGEST = "sha256:" + "0123456789abcdef" * 4

# In the order in which they are applied.
FILES = ["serviceaccount", "clusterrole", "clusterrolebinding", "networkpolicy", "priorityclass", "deployment"]
HELM_LABELS = ["app.kubernetes.io/managed-by", "helm.sh/chart"]

HEADER = f"""\
# The Kubewise agent, as its Helm chart makes it with default values.
#
# It holds no secret. The agent's token, shown once when the cluster was added, comes from a Secret of yours:
#
#   kubectl create namespace kubewise
#   kubectl label namespace kubewise pod-security.kubernetes.io/enforce=restricted
#   kubectl -n kubewise create secret generic kubewise-agent --from-literal=token=YOUR_TOKEN
#
"""


def render(values=None, name="kubewise-agent", namespace="kubewise"):
    """Rendered files by their name without folder and ending."""
    chart = helm_python.Chart.load(CHART)
    values = {"server": SERVER, **(values or {})}
    chart.validate_schema(values)
    rendered = chart.render(values, name=name, namespace=namespace)
    return {pathlib.PurePath(path).stem: text for path, text in rendered.items()}


def objects(files):
    """Every object of rendered files, by its kind."""
    texts = [text for name, text in files.items() if name != "NOTES"]
    found = [obj for text in texts for obj in yaml.safe_load_all(text) if obj]
    return {obj["kind"]: obj for obj in found}


def plain_manifest():
    """The default rendering as a manifest that knows nothing of Helm."""
    files = render()
    helm = re.compile(rf"^\s*({'|'.join(map(re.escape, HELM_LABELS))}): .*\n", re.MULTILINE)
    documents = [helm.sub("", files[name]).strip().replace(SERVER, PLACEHOLDER) for name in FILES]
    return HEADER + "\n---\n".join(documents) + "\n"


def without_helm(obj):
    """An object without the labels that only Helm wants."""
    if isinstance(obj, dict):
        return {key: without_helm(value) for key, value in obj.items() if key not in HELM_LABELS}
    if isinstance(obj, list):
        return [without_helm(value) for value in obj]
    return obj.replace(SERVER, PLACEHOLDER) if isinstance(obj, str) else obj


# Sets everything that the default values leave out.
EVERYTHING = {
    "server": "https://kubewise.internal:8443/base",
    "caConfigMap": "company-ca",
    "allowHttp": True,
    "image": {"tag": "9.9.9", "digest": DIGEST},
    "imagePullSecrets": [{"name": "registry"}],
    "nameOverride": "agent",
    "fullnameOverride": "kubewise-agent-of-ours",
    "serviceAccount": {"name": "reader", "annotations": {"a": "b"}},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "networkPolicy": {"serverPort": 9443, "metricsFrom": ["monitoring"], "cidrs": ["10.0.0.0/8"], "extraEgress": [{"ports": [{"port": 3128}]}]},
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "tolerations": [{"key": "monitoring", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "preference": {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]}},
    ]}},
    "priorityClassName": "low",
    "priorityClass": {"value": -5},
    "hostUsers": False,
}

# What can be left to others: an account, a role and a class that are there already.
LEFT_TO_OTHERS = {
    "serviceAccount": {"create": False, "name": "reader"},
    "rbac": {"create": False},
    "priorityClassName": "low",
}


def leaves(values, prefix=""):
    """Values by their full names."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


class Chart(unittest.TestCase):
    def test_lints(self):
        for values in ({}, EVERYTHING):
            report = helm_python.lint(CHART, {"server": SERVER, **values}, strict=True, namespace="kubewise")
            self.assertEqual(report["errors"], [])
            # 1 is information.
            self.assertEqual([m for m in report["messages"] if m["severity"] > 1], [])

    def test_the_plain_manifest_is_the_chart_with_default_values(self):
        rendered = {kind: without_helm(obj) for kind, obj in objects(render()).items()}
        manifest = {obj["kind"]: obj for obj in yaml.safe_load_all(MANIFEST.read_text())}
        self.assertEqual(manifest, rendered, "write it anew with --write")
        self.assertEqual(MANIFEST.read_text(), plain_manifest(), "write it anew with --write")

    def test_the_plain_manifest_has_one_gap_and_no_secret(self):
        text = MANIFEST.read_text()
        self.assertEqual(text.count(PLACEHOLDER), 1)
        self.assertEqual(set(re.findall(r"__\w+__", text)), {PLACEHOLDER})
        self.assertNotIn("kind: Secret", text)

    def test_bad_values_are_refused(self):
        bad = [
            {"server": ""},
            {"server": "kubewise.example.com"},
            {"server": "ftp://kubewise.example.com"},
            {"server": "https://user:password@kubewise.example.com"},
            {"server": "https://kubewise.example.com/?token=a"},
            {"token": "kwc_0123456789"},
            {"existingSecret": ""},
            {"existingSecret": "Not_A_Name"},
            {"syncInterval": "soon"},
            {"log": {"level": "loud"}},
            {"log": {"format": "xml"}},
            {"image": {"tag": "latest"}},
            {"image": {"digest": "sha256:abc"}},
            {"image": {"pullPolicy": "Sometimes"}},
            {"healthPort": 80},
            {"healthPort": "8081"},
            {"extraEnv": [{"name": "KUBEWISE_TOKEN", "value": "a"}]},
            {"networkPolicy": {"apiServerPorts": []}},
            {"networkPolicy": {"cidrs": ["everywhere"]}},
            {"priorityClass": {"value": 2000000000}},
            {"hostUsers": "no"},
            {"replicas": 2},
            {"rbac": {"wildcards": True}},
        ]
        for values in bad:
            with self.subTest(values), self.assertRaises(helm_python.HelmValuesError):
                render(values)

    def test_http_must_be_allowed(self):
        with self.assertRaises(helm_python.HelmError):
            render({"server": "http://kubewise.internal"})
        env = self.env(render({"server": "http://kubewise.internal", "allowHttp": True}))
        self.assertEqual(env["KUBEWISE_ALLOW_HTTP"]["value"], "true")

    def test_the_role_lists_and_watches_named_kinds_only(self):
        for rule in objects(render())["ClusterRole"]["rules"]:
            self.assertEqual(rule["verbs"], ["list", "watch"])
            self.assertEqual(set(rule), {"apiGroups", "resources", "verbs"})
            for resource in rule["resources"]:
                self.assertNotIn(resource, ["secrets", "configmaps", "events"])
                self.assertRegex(resource, r"^[a-z]+$")
            self.assertNotIn("*", rule["apiGroups"])

    def test_the_pod_is_restricted(self):
        for values in ({}, EVERYTHING):
            pod = objects(render(values))["Deployment"]["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            for context in (pod["securityContext"], container["securityContext"]):
                self.assertIs(context["runAsNonRoot"], True)
                self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertEqual(container["securityContext"]["capabilities"], {"drop": ["ALL"]})
            self.assertIs(container["securityContext"]["allowPrivilegeEscalation"], False)
            self.assertIs(container["securityContext"]["readOnlyRootFilesystem"], True)
            self.assertIs(pod["automountServiceAccountToken"], False)
            self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & set(pod))
            for volume in pod["volumes"]:
                self.assertLessEqual(set(volume), {"name", "secret", "configMap", "projected"})
            for kind in ("requests", "limits"):
                self.assertEqual(set(container["resources"][kind]), {"cpu", "memory", "ephemeral-storage"})
            for probe in ("livenessProbe", "readinessProbe"):
                self.assertEqual(container[probe]["httpGet"]["port"], "health")

    def test_only_one_agent_runs_at_a_time(self):
        spec = objects(render())["Deployment"]["spec"]
        self.assertEqual((spec["replicas"], spec["strategy"]), (1, {"type": "Recreate"}))

    def test_the_token_is_a_file_and_never_an_environment_variable(self):
        for values, secret, key in (
            ({}, "kubewise-agent", "token"),
            ({"existingSecret": "mine", "existingSecretKey": "t"}, "mine", "t"),
        ):
            files = render(values)
            deployment = objects(files)["Deployment"]
            (volume,) = [v for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "token"]
            self.assertEqual(volume["secret"]["secretName"], secret)
            self.assertEqual(volume["secret"]["items"], [{"key": key, "path": "token"}])
            self.assertEqual(self.env(files)["KUBEWISE_TOKEN_FILE"]["value"], "/var/run/secrets/kubewise/token")
            self.assertNotIn("Secret", objects(files))

    def test_a_digest_goes_before_a_tag(self):
        def image(values):
            return objects(render({"image": values}))["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"]

        version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
        self.assertEqual(image({}), f"registry.kubewise.example/kubewise-agent:{version}")
        self.assertEqual(image({"tag": "9.9.9"}), "registry.kubewise.example/kubewise-agent:9.9.9")
        self.assertEqual(image({"tag": "9.9.9", "digest": DIGEST}), f"registry.kubewise.example/kubewise-agent@{DIGEST}")

    def test_the_pod_has_a_priority_class(self):
        def names(values):
            found = objects(render(values))
            made = found.get("PriorityClass")
            return made and made["metadata"]["name"], found["Deployment"]["spec"]["template"]["spec"].get("priorityClassName")

        self.assertEqual(names({}), ("kubewise-agent", "kubewise-agent"))
        self.assertEqual(names({"priorityClassName": "low"}), (None, "low"))
        self.assertEqual(names({"priorityClass": {"create": False}}), (None, None))
        made = objects(render({"priorityClass": {"value": -5}}))["PriorityClass"]
        self.assertEqual((made["value"], made["globalDefault"], made["preemptionPolicy"]), (-5, False, "Never"))

    def test_a_user_namespace_is_for_who_asks_for_it(self):
        def host_users(values):
            return objects(render(values))["Deployment"]["spec"]["template"]["spec"].get("hostUsers")

        self.assertIsNone(host_users({}))
        self.assertIs(host_users({"hostUsers": False}), False)

    def test_the_network_policy_knows_the_servers_port(self):
        def ports(values):
            return [p["port"] for p in objects(render(values))["NetworkPolicy"]["spec"]["egress"][1]["ports"]]

        self.assertEqual(ports({}), [443, 6443, 8443, 16443])
        self.assertIn(9443, ports({"server": "https://kubewise.internal:9443/base"}))
        self.assertIn(80, ports({"server": "http://kubewise.internal", "allowHttp": True}))
        self.assertIn(3000, ports({"networkPolicy": {"serverPort": 3000}}))
        self.assertNotIn("NetworkPolicy", objects(render({"networkPolicy": {"enabled": False}})))

    def test_releases_in_two_namespaces_share_nothing(self):
        one, two = objects(render()), objects(render(namespace="other"))
        for kind in ("ClusterRole", "ClusterRoleBinding", "PriorityClass"):
            self.assertNotEqual(one[kind]["metadata"]["name"], two[kind]["metadata"]["name"])
        self.assertEqual(two["ClusterRoleBinding"]["subjects"][0]["namespace"], "other")
        self.assertEqual(two["ClusterRoleBinding"]["roleRef"]["name"], two["ClusterRole"]["metadata"]["name"])

    def test_everything_sets_what_default_values_leave_out(self):
        default = yaml.safe_load((CHART / "values.yaml").read_text())
        empty = {name for name, value in leaves(default) if not value}
        given = [name for name, _ in leaves(EVERYTHING)]
        self.assertEqual({name for name in empty if not any(f"{other}.".startswith(f"{name}.") for other in given)}, set())

    def test_the_readme_names_every_value(self):
        readme = (CHART / "README.md").read_text()
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        for key, value in values.items():
            keys = [f"{key}.{inner}" for inner in value] if isinstance(value, dict) and key not in ("resources", "nodeSelector") else [key]
            for name in keys:
                if name not in ("podAnnotations", "podLabels", "affinity"):
                    self.assertIn(f"`{name}`", readme)

    def env(self, files):
        (container,) = objects(files)["Deployment"]["spec"]["template"]["spec"]["containers"]
        return {variable["name"]: variable for variable in container["env"]}


def released(text):
    """Rendered text with the image's digest, of which none is known before the image was pushed. The release writes it into
    image.digest; then this changes nothing."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    image = yaml.safe_load((CHART / "values.yaml").read_text())["image"]
    return text.replace(f"{image['repository']}:{chart['appVersion']}\n", f"{image['repository']}@{DIGEST}\n")


AGENT = os.environ.get("KUBEWISE_AGENT")


@unittest.skipUnless(AGENT, "KUBEWISE_AGENT names no program")
class Audit(unittest.TestCase):
    """What the chart renders has no finding by Kubewise's own rules, of any severity, without any exception."""

    @classmethod
    def setUpClass(cls):
        # Profiles are everything, the frameworks and the categories: a new one is there as soon as a rule has it.
        rules = json.loads(cls.agent("--list-rules", "--format", "json").stdout)
        frameworks = {control["framework"] for rule in rules for control in rule["controls"]}
        cls.profiles = ["all", *sorted(frameworks), *sorted({name for rule in rules for name in rule["categories"]})]

    @staticmethod
    def agent(*arguments, text=""):
        return subprocess.run([AGENT, "audit", *arguments], input=text, capture_output=True, text=True, timeout=60)

    def report(self, text, *arguments):
        """The exit code, what was found, and what the summary says."""
        done = self.agent("-", "--format", "json", "--fail-on", "info", *arguments, text=text)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        report = json.loads(done.stdout)
        found = [f"{f['severity']} {f['rule']}: {f['message']}" for f in report["findings"]]
        return done.returncode, found, report["summary"]

    def renderings(self):
        yield "manifest", MANIFEST.read_text()
        named = {
            "default values": ({}, {}),
            "everything": (EVERYTHING, {}),
            "left to others": (LEFT_TO_OTHERS, {}),
            "another release in another namespace": ({}, {"name": "second", "namespace": "other"}),
        }
        for name, (values, release) in named.items():
            files = render(values, **release)
            yield name, "\n---\n".join(text for file, text in files.items() if file != "NOTES")

    def test_nothing_is_found(self):
        self.assertLessEqual({"all", "cis", "nsa", "pss-baseline", "pss-restricted", "security", "reliability"}, set(self.profiles))
        for name, text in self.renderings():
            kinds = [obj["kind"] for obj in yaml.safe_load_all(text) if obj]
            # The newest version, and the oldest one that the chart is for.
            for arguments in [["--profile", profile] for profile in self.profiles] + [["--kubernetes-version", "1.28"]]:
                with self.subTest(name, arguments=arguments):
                    code, found, summary = self.report(released(text), *arguments)
                    self.assertEqual(found, [])
                    self.assertEqual((code, summary["objects"], summary["excepted"], summary["unknown_kinds"]), (0, len(kinds), 0, 0))

    def test_the_audit_sees_what_gets_worse(self):
        text = released(MANIFEST.read_text())
        for good, bad, rule in (
            ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "container-root-file-system-writable"),
            ("drop: [ALL]", "drop: []", "pss-capabilities-restricted"),
            ("policyTypes: [Ingress, Egress]", "policyTypes: [Egress]", "workload-without-network-policy"),
            ("- serviceaccounts\n", "- secrets\n", "secrets-read-cluster-wide"),
            ("resources: [ingressclasses, ", 'resources: ["*", ', "role-wildcard"),
            (f"@{DIGEST}", ":latest", "image"),
        ):
            with self.subTest(rule):
                self.assertEqual(text.count(good), 1)
                code, found, _ = self.report(text.replace(good, bad))
                self.assertEqual(code, 1)
                self.assertTrue([line for line in found if f" {rule}" in line], found)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        MANIFEST.write_text(plain_manifest())
    else:
        unittest.main()
