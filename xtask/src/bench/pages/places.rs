//! Which pages are measured.

use anyhow::{Context, Result, ensure};

use super::organisation::Million;
use crate::http::Connection;

/// How many pages deep the deep one is.
const DEEP: usize = 40;

/// Names and paths.
pub(super) fn find(
    connection: &mut Connection,
    cookie: &str,
    million: &Million,
) -> Result<Vec<(&'static str, String)>> {
    let made = &million.made;
    let organisation = format!("/o/{}", made.organisation);
    let id = made.clusters.get(made.clusters.len() / 2).context("no clusters")?;
    let cluster = format!("{organisation}/clusters/{id}");
    let mut html = |path: &str| -> Result<String> {
        let answer = connection.get(path, &[("Cookie", cookie)])?;
        ensure!(answer.status == 200, "{path} answered {}", answer.status);
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    };
    let mut deep = format!("{cluster}/resources");
    for _ in 0..DEEP {
        let page = html(&deep)?;
        let next = link(&page, |href| href.starts_with(&cluster) && href.contains("after="));
        deep = next.with_context(|| format!("{deep} leads to no further page"))?;
    }
    let resource = link(&html(&format!("{cluster}/workloads"))?, |href| href.contains("/resources/"))
        .context("the workloads lead to no object")?;
    Ok(vec![
        ("overview", format!("{organisation}/")),
        ("clusters", format!("{organisation}/clusters")),
        ("cluster", cluster.clone()),
        ("applications", format!("{cluster}/applications")),
        ("workloads", format!("{cluster}/workloads")),
        ("workloads-filtered", format!("{cluster}/workloads?q=01234")),
        ("resources", format!("{cluster}/resources")),
        ("resources-deep", deep),
        ("resources-kind", format!("{cluster}/resources?kind=StatefulSet.apps")),
        ("resources-filtered", format!("{cluster}/resources?q=01234")),
        ("resources-missing", format!("{cluster}/resources?q=nowhere")),
        ("images", format!("{cluster}/images")),
        ("nodes", format!("{cluster}/nodes")),
        ("namespaces", format!("{cluster}/namespaces")),
        ("resource", resource),
        ("search-rare", format!("{organisation}/search?q=01234")),
        ("search-common", format!("{organisation}/search?q=api")),
        ("search-missing", format!("{organisation}/search?q=nowhere")),
        ("search-short", format!("{organisation}/search?q=zq")),
    ])
}

/// The first link that is wanted, of a page's `href="…"`.
fn link(html: &str, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let hrefs = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    hrefs.map(|href| href.replace("&amp;", "&")).find(|href| wanted(href))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_and_unescaped() {
        let html = r#"<a href="/a">x</a><a class="btn" href="/b?kind=Pod&amp;after=Zg">y</a>"#;
        assert_eq!(link(html, |href| href.contains("after=")).as_deref(), Some("/b?kind=Pod&after=Zg"));
        assert_eq!(link(html, |href| href.contains("none")), None);
    }
}
