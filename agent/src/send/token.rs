//! The token, and where it comes from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// No token is longer.
const LONGEST: u64 = 4096;

/// The token, and where it comes from.
#[derive(Debug)]
pub struct TokenSource {
    file: Option<PathBuf>,
    current: Mutex<SecretString>,
}

impl TokenSource {
    /// A token that never changes.
    pub fn fixed(token: SecretString) -> Result<Self, String> {
        validate(token.expose_secret())?;
        Ok(Self { file: None, current: Mutex::new(token) })
    }

    /// A token in a file, which may be replaced.
    pub fn file(path: PathBuf) -> Result<Self, String> {
        let token = read(&path)?;
        Ok(Self { file: Some(path), current: Mutex::new(token) })
    }

    /// `Bearer …`, marked as sensitive.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let token = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Reads the file again. True when it holds another token now.
    pub(super) fn reload(&self) -> bool {
        let Some(path) = &self.file else { return false };
        // A file that cannot be read for a moment is one that is being replaced.
        let Ok(token) = read(path) else { return false };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = token.expose_secret() != current.expose_secret();
        *current = token;
        changed
    }
}

fn read(path: &Path) -> Result<SecretString, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let token = text.trim();
    validate(token)?;
    Ok(SecretString::from(token))
}

fn validate(token: &str) -> Result<(), String> {
    if token.is_empty() {
        return Err("holds no token".to_owned());
    }
    if token.len() as u64 > LONGEST || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("does not look like a token: it must be one word of ASCII characters".to_owned());
    }
    Ok(())
}
