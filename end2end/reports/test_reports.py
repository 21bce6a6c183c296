"""Reports of `kubewise-agent audit`, read by programs of others: JUnit's by junitparser, CSV by Python's own reader.

    KUBEWISE_AGENT=target/debug/kubewise-agent python end2end/reports/test_reports.py

Needs what is in end2end/reports/requirements.txt; `cargo xtask test --only reports` sets that up.
"""

import csv
import io
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import junitparser

AGENT = pathlib.Path(os.environ["KUBEWISE_AGENT"]).resolve()

# Names that XML and CSV have to escape, or have no form for.
MANIFEST = r"""
apiVersion: v1
kind: Pod
metadata: {name: "a <b> & \"c\" 'd'", namespace: "ü \u0001 ]]>"}
spec:
  hostNetwork: true
  containers: [{name: "=app,\n1", image: app}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: accepted, namespace: shop}
spec: {template: {spec: {hostPID: true, containers: [{name: app, image: "app:1"}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: elsewhere}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
BEFORE = "apiVersion: v1\nkind: Pod\nmetadata: {name: known}\nspec: {hostIPC: true, containers: [{name: a, image: b}]}\n"
EXCEPTIONS = "- {rule: '*', name: accepted, reason: '<planned> & \"agreed\"'}\n"


class Reports(unittest.TestCase):
    """One audit with findings that are new, known, accepted, and what could not be judged."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        (root / "a & b.yaml").write_text(MANIFEST, encoding="utf-8")
        (root / "before.yaml").write_text(BEFORE, encoding="utf-8")
        (root / "exceptions").write_text(EXCEPTIONS, encoding="utf-8")
        (root / "baseline").write_text(cls.audit("before.yaml", "--format", "json"), encoding="utf-8")
        cls.report = json.loads(cls.all_in("json"))

    @classmethod
    def audit(cls, *arguments):
        command = [AGENT, "audit", "--fail-on", "never", *arguments]
        return subprocess.run(command, cwd=cls.folder.name, check=True, capture_output=True).stdout.decode("utf-8")

    @classmethod
    def all_in(cls, name):
        return cls.audit(".", "--exceptions", "exceptions", "--baseline", "baseline", "--format", name)

    def test_junit_says_what_json_says(self):
        findings, accepted, unknown = (self.report[name] for name in ("findings", "excepted", "not_assessable"))
        new = [finding for finding in findings if not finding["known"]]
        known = [finding for finding in findings if finding["known"]]
        self.assertTrue(new and known and accepted and unknown)

        suites = junitparser.JUnitXml.fromstring(self.all_in("junit").encode("utf-8"))
        said = suites.tests, suites.failures, suites.errors, suites.skipped
        cases = [case for suite in suites for case in suite]
        failed = [case for case in cases if any(isinstance(result, junitparser.Failure) for result in case.result)]
        skipped = [case for case in cases if any(isinstance(result, junitparser.Skipped) for result in case.result)]
        self.assertEqual(len(failed), len(new))
        self.assertEqual(len(skipped), len(known) + len(accepted) + len(unknown))
        self.assertEqual(said, (len(cases), len(failed), 0, len(skipped)))
        # What the totals say is what is counted when the cases are.
        suites.update_statistics()
        self.assertEqual((suites.tests, suites.failures, suites.errors, suites.skipped), said)

        readable = lambda text: text.replace("\u0001", "\ufffd")
        expected = {(finding["rule"], readable(finding["message"])) for finding in new}
        self.assertEqual({(case.classname, case.result[0].message) for case in failed}, expected)
        self.assertEqual({case._elem.get("file") for case in failed}, {"a & b.yaml"})
        reasons = {case.result[0].message for case in skipped}
        self.assertTrue(any('<planned> & "agreed"' in reason for reason in reasons), reasons)
        for suite in suites:
            self.assertEqual({case.classname for case in suite}, {suite.name})

    def test_junit_of_nothing_wrong_has_passed(self):
        (pathlib.Path(self.folder.name) / "good").write_text(BEFORE.replace("hostIPC: true, ", ""), encoding="utf-8")
        text = self.audit("good", "--profile", "pss-baseline", "--format", "junit")
        suites = junitparser.JUnitXml.fromstring(text.encode("utf-8"))
        self.assertEqual((suites.failures, suites.errors), (0, 0))

    def test_csv_says_what_json_says(self):
        rows = list(csv.DictReader(io.StringIO(self.all_in("csv"), newline="")))
        findings = self.report["findings"] + self.report["excepted"]
        self.assertEqual(len(rows), len(findings))
        for row, finding in zip(rows, findings):
            for name in ("rule", "severity", "message"):
                self.assertEqual(row[name], finding[name])
            self.assertFalse(any(field.startswith(tuple("=+-@\t\r")) for field in row.values()), row)


if __name__ == "__main__":
    unittest.main()
