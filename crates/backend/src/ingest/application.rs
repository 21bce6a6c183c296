//! Which application an object belongs to, by the labels that people and tools put on it.

use std::borrow::Cow;

use kubewise_contract::AppSource;
use serde::Deserialize;

/// The labels that name an application. Sources, most telling first: Argo CD's tracking, Helm's release, Kubernetes'
/// recommended labels (kubernetes.io/docs/concepts/overview/working-with-objects/common-labels), older customs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ApplicationLabels<'a> {
    #[serde(borrow, rename = "argocd.argoproj.io/instance")]
    argo_instance: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "helm.sh/chart")]
    helm_chart: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "app.kubernetes.io/managed-by")]
    managed_by: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "app.kubernetes.io/part-of")]
    part_of: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "app.kubernetes.io/instance")]
    instance: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "app.kubernetes.io/name")]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "app.kubernetes.io/version")]
    version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    app: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "k8s-app")]
    k8s_app: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "version")]
    plain_version: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "pod-security.kubernetes.io/enforce")]
    pub(super) pod_security: Option<Cow<'a, str>>,
}

/// The annotations that name an application.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ApplicationAnnotations<'a> {
    #[serde(borrow, rename = "argocd.argoproj.io/tracking-id")]
    argo_tracking: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "meta.helm.sh/release-name")]
    helm_release: Option<Cow<'a, str>>,
}

fn said<'a>(value: Option<&'a Cow<'_, str>>) -> Option<&'a str> {
    value.map(|v| v.trim()).filter(|v| !v.is_empty())
}

impl ApplicationLabels<'_> {
    /// The application's name and where it comes from; none when nothing names one.
    pub(super) fn application<'b>(
        &'b self,
        annotations: &'b ApplicationAnnotations<'_>,
    ) -> Option<(&'b str, AppSource)> {
        // The rest of an Argo CD tracking id is the object's own group, kind, namespace and name.
        let tracked = said(annotations.argo_tracking.as_ref()).and_then(|id| id.split(':').next());
        if let Some(name) = tracked.filter(|name| !name.is_empty()).or_else(|| said(self.argo_instance.as_ref())) {
            return Some((name, AppSource::ArgoCd));
        }
        if let Some(release) = said(annotations.helm_release.as_ref()) {
            return Some((release, AppSource::Helm));
        }
        let helm = self.helm_chart.is_some() || said(self.managed_by.as_ref()) == Some("Helm");
        if helm && let Some(name) = said(self.instance.as_ref()) {
            return Some((name, AppSource::Helm));
        }
        [&self.part_of, &self.instance, &self.name, &self.app, &self.k8s_app]
            .into_iter()
            .find_map(|label| said(label.as_ref()))
            .map(|name| (name, AppSource::Labels))
    }

    /// The version it says it is: the recommended label, else the chart's, else a plain `version`.
    pub(super) fn version(&self) -> Option<&str> {
        said(self.version.as_ref())
            .or_else(|| said(self.helm_chart.as_ref()).and_then(chart_version))
            .or_else(|| said(self.plain_version.as_ref()))
    }
}

/// `ingress-nginx-4.13.2` → `4.13.2`: a chart label is name, hyphen, version, and names may hold hyphens.
fn chart_version(chart: &str) -> Option<&str> {
    chart.match_indices('-').map(|(at, _)| &chart[at + 1..]).find(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(labels: &str, annotations: &str) -> Option<(String, AppSource)> {
        let labels: ApplicationLabels<'_> = serde_json::from_str(labels).unwrap();
        let annotations: ApplicationAnnotations<'_> = serde_json::from_str(annotations).unwrap();
        labels.application(&annotations).map(|(name, source)| (name.to_owned(), source))
    }

    #[test]
    fn the_most_telling_source_names_the_application() {
        let helm =
            r#"{"helm.sh/chart":"shop-1.2.3","app.kubernetes.io/instance":"shop","app.kubernetes.io/name":"web"}"#;
        assert_eq!(application(helm, "{}"), Some(("shop".to_owned(), AppSource::Helm)));
        let argo = r#"{"argocd.argoproj.io/tracking-id":"checkout:apps/Deployment:shop/web"}"#;
        assert_eq!(application(helm, argo), Some(("checkout".to_owned(), AppSource::ArgoCd)));
        let released = r#"{"meta.helm.sh/release-name":"rel"}"#;
        assert_eq!(application("{}", released), Some(("rel".to_owned(), AppSource::Helm)));
        assert_eq!(application(r#"{"app":"web"}"#, "{}"), Some(("web".to_owned(), AppSource::Labels)));
        let parts = r#"{"app.kubernetes.io/name":"server","app.kubernetes.io/part-of":"argocd"}"#;
        assert_eq!(application(parts, "{}"), Some(("argocd".to_owned(), AppSource::Labels)));
        assert_eq!(application(r#"{"app":" "}"#, "{}"), None);
    }

    #[test]
    fn a_chart_label_holds_a_version() {
        assert_eq!(chart_version("ingress-nginx-4.13.2"), Some("4.13.2"));
        assert_eq!(chart_version("app-1.0.0-rc1"), Some("1.0.0-rc1"));
        assert_eq!(chart_version("app"), None);
    }
}
