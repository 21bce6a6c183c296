//! Mails that lie in a folder, where there is no mail server: whoever is forgotten is forgotten there too.

use std::{io::ErrorKind, path::Path};

use mail_parser::MessageParser;

use crate::activity::forget::found;

/// All that a mail says that lies there, as it stands there and decoded.
pub(crate) struct Lying(String);

impl Lying {
    /// Whether it holds this as a word, or words, in upper or lower case.
    pub(crate) fn says(&self, what: &str) -> bool {
        found(&self.0, what, false).is_some()
    }

    /// Whether it is about an organisation; else it is about an account alone.
    pub(crate) fn is_about_organisation(&self) -> bool {
        self.0.contains("/o/")
    }
}

/// Removes mails that are meant. Answers how many.
pub(super) fn forget(folder: &Path, is_meant: impl Fn(&Lying) -> bool) -> std::io::Result<u64> {
    let files = match std::fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for file in files {
        let path = file?.path();
        if path.extension().is_none_or(|ending| ending != "eml") {
            continue;
        }
        let mail = match std::fs::read(&path) {
            Ok(mail) => mail,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if is_meant(&Lying(text(&mail))) {
            match std::fs::remove_file(&path) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(removed)
}

fn text(mail: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(mail).into_owned();
    if let Some(message) = MessageParser::default().parse(mail) {
        for address in [message.from(), message.to()].into_iter().flatten().flat_map(|addresses| addresses.iter()) {
            text.extend(address.name().into_iter().chain(address.address()).flat_map(|part| ["\n", part]));
        }
        text.extend(message.subject().into_iter().flat_map(|subject| ["\n", subject]));
        for at in 0..message.parts.len() {
            let bodies = [message.body_text(at), message.body_html(at)];
            text.extend(bodies.into_iter().flatten().flat_map(|body| ["\n".to_owned(), body.into_owned()]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_found_by_what_it_says_however_it_is_encoded() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("1.eml", "To: =?utf-8?b?SsO8cmdlbiBNw7xsbGVy?= <j@example.com>\r\nSubject: a\r\n\r\nb\r\n");
        write(
            "2.eml",
            "To: x@example.com\r\nSubject: a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nDear J=C3=BCr=\r\ngen M=C3=BCller\r\n",
        );
        write(
            "3.eml",
            "To: x@example.com\r\nSubject: a\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+SsO8cmdlbiBNw7xsbGVyPC9iPg==\r\n",
        );
        write("4.eml", "To: other@example.com\r\nSubject: a\r\n\r\nb\r\n");
        write("5.txt", "Jürgen Müller");
        write("6.eml", "To: ajürgen@example.com\r\nSubject: Jürgen Müllers\r\n\r\nb\r\n");
        assert_eq!(forget(folder.path(), |mail| mail.says("jÜrgen müller") || mail.says("")).unwrap(), 3);
        let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["4.eml", "5.txt", "6.eml"]);
        assert_eq!(forget(&folder.path().join("none"), |_| true).unwrap(), 0);
    }
}
