//! Where containers come from.

use crate::{
    image::Image,
    object::Container,
    out::Out,
    rule::{Category, Check, Framework, Patch, Rule, Severity},
    version::KubernetesVersion,
};

/// The first version: the rule is for all.
const ALWAYS: KubernetesVersion = KubernetesVersion::new(1, 0);

/// The rules.
pub static RULES: &[Rule] = &[
    Rule {
        id: "image-tag-latest",
        title: "Image has the tag latest or none",
        why: "Which image that is changes with every push: nobody can tell what runs, two pods of one workload may \
              differ, and there is nothing to roll back to.",
        fix: "Name a version, and its digest.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Images],
        controls: &[],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/containers/images/#image-names",
            "https://kubernetes.io/docs/concepts/configuration/overview/",
        ],
        check: Check::Container(latest),
    },
    Rule {
        id: "image-tag-mutable",
        title: "Image has a tag that moves",
        why: "A tag such as stable or main is put on another image with each release: a restarted pod may run \
              something else than the one before.",
        fix: "Name a version, and its digest.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Images],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/containers/images/#image-names"],
        check: Check::Container(moving),
    },
    Rule {
        id: "image-without-digest",
        title: "Image is not pinned to a digest",
        why: "A tag can be put on another image, by its owner or by somebody who got into the registry. A digest \
              cannot: it is the image's own hash.",
        fix: "Write the digest behind the tag: name:1.2.3@sha256:….",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Images],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/containers/images/#image-names"],
        check: Check::Container(no_digest),
    },
    Rule {
        id: "image-registry-not-allowed",
        title: "Image is from a registry that is not allowed",
        why: "The organisation decided from where images come. Others are neither scanned nor signed as it expects, \
              and may be gone tomorrow.",
        fix: "Copy the image to an allowed registry, or add its registry to allowedRegistries.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Images],
        controls: &[(Framework::Cis, "5.5.1")],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/containers/images/"],
        check: Check::Container(not_allowed),
    },
    Rule {
        id: "image-pull-policy-not-always",
        title: "Moving tag is pulled only once",
        why: "A node that has an image of this tag keeps it, whatever the tag points to by now: nodes run different \
              images under one name.",
        fix: "Name a version, or set imagePullPolicy: Always.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Images],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy"],
        check: Check::Container(pull_policy),
    },
    Rule {
        id: "image-pull-policy-never",
        title: "Image is never pulled",
        why: "The pod starts only on nodes that somebody put the image on before; on a new node it fails, and nobody \
              checks whether the image there is the one that is meant.",
        fix: "Set imagePullPolicy to IfNotPresent or Always.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Images, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &["https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy"],
        check: Check::Container(never_pulled),
    },
    Rule {
        id: "image-reference-invalid",
        title: "Image is no valid reference",
        why: "The container never starts: the kubelet reports InvalidImageName.",
        fix: "Write it as registry/name:tag, with small letters in the name and without https://.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Images, Category::Reliability],
        controls: &[],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/containers/images/#image-names",
            "https://github.com/distribution/reference/blob/main/reference.go",
        ],
        check: Check::Container(invalid),
    },
    Rule {
        id: "image-registry-frozen",
        title: "Image is from a place that gets no fixes",
        why: "Images there stay as they were: faults that became known since are in them, and one day they can no \
              longer be pulled.",
        fix: "Take the image from where it is published now.",
        patch: Patch::None,
        severity: Severity::Medium,
        categories: &[Category::Images, Category::Deprecation],
        controls: &[],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/blog/2023/03/10/image-registry-redirect/",
            "https://github.com/bitnami/containers/issues/83267",
        ],
        check: Check::Container(frozen),
    },
    Rule {
        id: "image-registry-anonymous",
        title: "Image is from a registry that anybody writes to",
        why: "ttl.sh takes images from anybody, without any account, and deletes them after hours: whoever knows the \
              name puts another image there, and the next pull runs it.",
        fix: "Push the image to a registry of your own.",
        patch: Patch::None,
        severity: Severity::High,
        categories: &[Category::Images],
        controls: &[(Framework::Mitre, "T1525")],
        since: ALWAYS,
        references: &["https://ttl.sh/"],
        check: Check::Container(anonymous),
    },
    Rule {
        id: "image-registry-insecure",
        title: "Image is from a registry without a name or TLS",
        why: "A registry that is an address or on port 80 is mostly used without TLS: whoever is on the way answers \
              with another image.",
        fix: "Give the registry a name and a certificate.",
        patch: Patch::None,
        severity: Severity::Low,
        categories: &[Category::Images, Category::Network],
        controls: &[],
        since: ALWAYS,
        references: &[
            "https://kubernetes.io/docs/concepts/containers/images/",
            "https://github.com/containerd/containerd/blob/main/docs/hosts.md",
        ],
        check: Check::Container(plain_registry),
    },
];

/// Tags that point to another image with each build or release.
const MOVING: &[&str] = &[
    "stable",
    "main",
    "master",
    "trunk",
    "edge",
    "dev",
    "devel",
    "develop",
    "development",
    "nightly",
    "canary",
    "rolling",
    "snapshot",
    "head",
    "HEAD",
    "tip",
    "unstable",
    "mainline",
    "next",
    "current",
    "testing",
    "staging",
    "production",
    "prod",
    "test",
    "lts",
];

/// Registries, and folders of them, that get no new images or are gone: where, since when, and what took their place.
///
/// Source: the announcements that the rule refers to.
const FROZEN: &[(&str, &str, &str)] = &[
    ("k8s.gcr.io", "", "has got no images since April 2023; its images are on registry.k8s.io"),
    ("gcr.io", "google_containers", "gets no new images; those of Kubernetes are on registry.k8s.io"),
    ("gcr.io", "google-containers", "gets no new images; those of Kubernetes are on registry.k8s.io"),
    ("gcr.io", "kubernetes-helm", "was of Helm 2, which has had no fixes since November 2020"),
    ("docker.io", "bitnamilegacy", "keeps images of Bitnami as they were in August 2025, without fixes"),
];

/// Bitnami's images that stayed where they were.
const BITNAMI_STAYS: &[&str] = &["bitnami/sealed-secrets-controller", "bitnami/minideb"];

/// Why nothing is said of an image that is not written.
const NO_IMAGE: &str = "No image is written: this may be a patch of another manifest";

/// Why nothing is said of what a template or a build has not filled in.
const PLACEHOLDER: &str = "The image is a placeholder that something else fills in";

/// Why nothing more is said of what one rule says.
const INVALID: &str = "The image is no valid reference";

/// How the rules find the image.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Written<'a> {
    Image(Image<'a>),
    Invalid,
    Unknown(&'static str),
}

impl<'a> Written<'a> {
    /// From what is written, and what that is as a reference.
    pub(crate) fn of(container: Container<'a>, image: Option<Image<'a>>) -> Self {
        let node = container.get("image");
        if !node.is_present() || node.as_str() == Some("") {
            return Self::Unknown(NO_IMAGE);
        }
        let Some(text) = node.as_str() else { return Self::Invalid };
        // `REGISTRY/app`, `IMAGE_NAME`: names have no capital letters.
        let is_capitals =
            |part: &str| part.len() > 2 && part.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'_' | b'-'));
        if text.contains(['$', '{', '<', '%']) || text.starts_with("ko://") || text.split('/').any(is_capitals) {
            return Self::Unknown(PLACEHOLDER);
        }
        image.filter(|_| is_valid(text)).map_or(Self::Invalid, Self::Image)
    }
}

/// The image, where it can be judged.
fn image<'a>(container: Container<'a>, out: &mut Out<'a>) -> Option<Image<'a>> {
    let reason = match out.looked(container).written {
        Written::Image(image) => return Some(image),
        Written::Invalid => INVALID,
        Written::Unknown(reason) => reason,
    };
    out.cannot(reason);
    None
}

/// Whether it is a reference to an image, to the letter.
///
/// Source: the grammar of distribution/reference.
fn is_valid(text: &str) -> bool {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let path = match name.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
            if !is_host(first) {
                return false;
            }
            path
        }
        _ => name,
    };
    let is_tag = |tag: &str| {
        tag.len() <= 128
            && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    };
    let is_digest = |digest: &str| {
        digest.split_once(':').is_some_and(|(algorithm, hex)| {
            algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
                && hex.len() >= 32
                && hex.bytes().all(|b| b.is_ascii_hexdigit())
        })
    };
    path.split('/').all(is_path_part) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

/// Small letters and digits, with one of `.`, `_`, `__` and any number of `-` between them.
fn is_path_part(part: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separator = |run: &str| matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-');
    let ends = |b: Option<&u8>| b.is_some_and(|b| is_plain(*b));
    ends(part.as_bytes().first())
        && ends(part.as_bytes().last())
        && part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(separator)
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_version_6 = name.starts_with('[') && name.ends_with(']');
    (is_version_6 || name.split('.').all(is_label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

fn is_latest(image: Image<'_>) -> bool {
    image.digest.is_none() && matches!(image.tag, None | Some("latest"))
}

fn is_moving(image: Image<'_>) -> bool {
    image.digest.is_none()
        && image.tag.is_some_and(|tag| MOVING.contains(&tag) || tag.starts_with("latest-") || tag.ends_with("-latest"))
}

fn fail(container: Container<'_>, out: &mut Out<'_>, field: &str, what: &str) {
    let message = format!("The image of {} ({}) {what}.", container.title(), container.get("image").str());
    out.fail(container.spot(field), message);
}

fn latest<'a>(container: Container<'a>, out: &mut Out<'a>) {
    let Some(image) = image(container, out) else { return };
    if is_latest(image) {
        fail(container, out, "image", if image.tag.is_some() { "has the tag latest" } else { "has no tag" });
    }
}

fn moving<'a>(container: Container<'a>, out: &mut Out<'a>) {
    if image(container, out).is_some_and(is_moving) {
        fail(container, out, "image", "has a tag that moves from one image to the next");
    }
}

/// Of what has a tag of its own: the others are found by their tags.
fn no_digest<'a>(container: Container<'a>, out: &mut Out<'a>) {
    let Some(image) = image(container, out) else { return };
    if image.digest.is_none() && !is_latest(image) && !is_moving(image) {
        fail(container, out, "image", "is not pinned to a digest");
    }
}

/// Whether a registry, or a folder of it, has an image.
fn has(allowed: &str, image: Image<'_>) -> bool {
    let (registry, folder) =
        allowed.trim_end_matches('/').split_once('/').unwrap_or((allowed.trim_end_matches('/'), ""));
    // Docker Hub's own images are written without their folder.
    let is_own = registry == "docker.io" && folder == "library" && !image.repository.contains('/');
    registry == image.registry && (is_own || is_in(folder, image))
}

fn is_in(folder: &str, image: Image<'_>) -> bool {
    folder.is_empty()
        || image.repository.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn not_allowed<'a>(container: Container<'a>, out: &mut Out<'a>) {
    let allowed = &out.parameters().allowed_registries;
    if allowed.is_empty() {
        out.skip();
        return;
    }
    let Some(image) = image(container, out) else { return };
    if !allowed.iter().any(|allowed| has(allowed, image)) {
        fail(container, out, "image", &format!("is from {}, which is none of the allowed registries", image.registry));
    }
}

fn pull_policy<'a>(container: Container<'a>, out: &mut Out<'a>) {
    let Some(image) = image(container, out) else { return };
    let policy = container.get("imagePullPolicy").str();
    // Where none is written, Kubernetes takes Always for `latest` and IfNotPresent for all other tags.
    let is_kept = policy == "IfNotPresent" || (policy.is_empty() && !is_latest(image));
    if is_kept && (is_latest(image) || is_moving(image)) {
        fail(container, out, "imagePullPolicy", "may change, while nodes keep the one that they have");
    }
}

fn never_pulled(container: Container<'_>, out: &mut Out<'_>) {
    if container.get("imagePullPolicy").str() == "Never" {
        fail(container, out, "imagePullPolicy", "is never pulled");
    }
}

fn invalid<'a>(container: Container<'a>, out: &mut Out<'a>) {
    match out.looked(container).written {
        Written::Image(_) => {}
        Written::Invalid => {
            let text = container.get("image").text().unwrap_or_default();
            let message = format!("\"{text}\" of {} is no reference to an image.", container.title());
            out.fail(container.spot("image"), message);
        }
        Written::Unknown(reason) => out.cannot(reason),
    }
}

fn frozen<'a>(container: Container<'a>, out: &mut Out<'a>) {
    let Some(image) = image(container, out) else { return };
    let known = FROZEN.iter().find(|(registry, folder, _)| *registry == image.registry && is_in(folder, image));
    let is_of_bitnami = || {
        image.registry == "docker.io"
            && image.repository.starts_with("bitnami/")
            && !is_latest(image)
            && image.digest.is_none()
            && !BITNAMI_STAYS.contains(&image.repository)
    };
    if let Some((_, _, what)) = known {
        fail(container, out, "image", &format!("is from a place that {what}"));
    } else if is_of_bitnami() {
        fail(container, out, "image", "was moved to docker.io/bitnamilegacy in 2025, where it gets no fixes");
    }
}

fn anonymous<'a>(container: Container<'a>, out: &mut Out<'a>) {
    if image(container, out).is_some_and(|image| image.registry == "ttl.sh") {
        fail(container, out, "image", "is from ttl.sh, where anybody may put another one in its place");
    }
}

fn plain_registry<'a>(container: Container<'a>, out: &mut Out<'a>) {
    let Some(image) = image(container, out) else { return };
    let (host, port) = image.registry.split_once(':').unwrap_or((image.registry, ""));
    let address: Option<std::net::Ipv4Addr> = host.parse().ok();
    if port == "80" || address.is_some_and(|address| !address.is_loopback()) {
        fail(container, out, "image", "is from a registry that hardly has a certificate");
    }
}
