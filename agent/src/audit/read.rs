//! From files to objects.

use std::{
    fs::File,
    io::{self, Read},
    sync::Arc,
};

use kubewise_audit::{Node, Object, flatten, yaml};

use super::files::Input;

/// The largest file that is read. What a cluster of 100,000 objects says as one list is a few hundred megabytes.
const LARGEST: u64 = 1 << 30;

/// What was in a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Objects of Kubernetes, in order.
    pub(super) objects: Vec<Object>,
    /// Documents that are none.
    pub(super) ignored: usize,
}

/// Reads all of one input. A fault names the file, and where it can the line.
pub(super) fn read(input: &Input) -> Result<Contents, String> {
    let name = &input.name;
    let bytes = bytes(input).map_err(|error| format!("{name}: {error}"))?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{name}: is larger than {} MiB", LARGEST >> 20));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let read = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        format!("{name}:{}: is not UTF-8", memchr::memchr_iter(b'\n', read).count() + 1)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let documents = documents(text).map_err(|error| {
        let hint = if text.contains("{{") {
            "\n  This looks like a template of Helm: render it first, with `helm template`."
        } else {
            ""
        };
        format!("{name}:{}: {}{hint}", error.line, error.message)
    })?;
    let source: Arc<str> = name.as_str().into();
    let mut contents = Contents::default();
    for node in documents.into_iter().flat_map(flatten) {
        match Object::new(node, Some(Arc::clone(&source))).filter(|object| !is_for_kustomize(object)) {
            Some(object) => contents.objects.push(object),
            None => contents.ignored += 1,
        }
    }
    Ok(contents)
}

fn bytes(input: &Input) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match &input.path {
        None => io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)?,
        Some(path) => {
            let file = File::open(path)?;
            let length = file.metadata()?.len().min(LARGEST);
            bytes.reserve(usize::try_from(length).unwrap_or_default());
            file.take(LARGEST + 1).read_to_end(&mut bytes)?
        }
    };
    Ok(bytes)
}

/// Some JSON is no YAML: tabs between values, say. It is read without lines.
fn documents(text: &str) -> Result<Vec<Node>, yaml::ParseError> {
    yaml::documents(text).or_else(|error| {
        if !text.trim_start().starts_with(['{', '[']) {
            return Err(error);
        }
        let values = serde_json::Deserializer::from_str(text).into_iter();
        values.collect::<Result<Vec<Node>, _>>().map_err(|_| error)
    })
}

/// What kustomize is told is no object of a cluster.
fn is_for_kustomize(object: &Object) -> bool {
    object.group() == "kustomize.config.k8s.io"
}
