//! Scripts inside of arguments: `sh -c "mysql -phunter2"`.
//!
//! Not a parser of any shell: it reads names, and what stands behind them.

use super::REMOVED;
use super::arguments::is_harmless_value;
use super::names::is_secret;
use super::text::looks_random;

/// What is known of a command line from the arguments before.
#[derive(Default)]
pub(super) struct Line {
    program: Program,
    awaited: bool,
}

impl Line {
    /// True when the argument before was a flag whose value comes next.
    pub(super) const fn take_awaited(&mut self) -> bool {
        std::mem::replace(&mut self.awaited, false)
    }
}

/// Programs that take a password by a short flag.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Program {
    #[default]
    Other,
    /// `-phunter2`, attached only.
    Mysql,
    /// `-p hunter2`
    P,
    /// `-a hunter2`
    A,
    /// `-u me:hunter2`
    U,
    /// `-w hunter2`
    W,
}

impl Program {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "mysql" | "mysqldump" | "mysqladmin" | "mysqlcheck" | "mysqlimport" | "mysqlshow" | "mariadb"
            | "mariadb-dump" | "mariadb-admin" | "mariabackup" | "xtrabackup" => Self::Mysql,
            "sshpass" | "mongo" | "mongosh" | "mongodump" | "mongorestore" | "mongoexport" | "mongoimport"
            | "docker" | "podman" | "helm" | "az" | "rabbitmqadmin" | "nats" => Self::P,
            "redis-cli" | "valkey-cli" | "keydb-cli" => Self::A,
            "curl" | "wget" => Self::U,
            "ldapsearch" | "ldapadd" | "ldapmodify" | "ldapwhoami" => Self::W,
            _ => return None,
        })
    }

    /// How many bytes of this word are a flag that takes a password; none when it is no such flag.
    fn flag(self, word: &str) -> Option<usize> {
        let flag = match self {
            Self::Other => return None,
            Self::U if matches!(word, "--user" | "--proxy-user" | "--http-user") => word,
            Self::Mysql | Self::P => "-p",
            Self::A => "-a",
            Self::U => "-u",
            Self::W => "-w",
        };
        word.starts_with(flag).then_some(flag.len())
    }
}

/// The script without what looks like a secret, or none when there is nothing to take out.
pub(super) fn redact(text: &str, line: &mut Line) -> Option<String> {
    let mut scanner = Scanner { text, at: 0, kept: 0, out: String::new() };
    scanner.run(line);
    if scanner.kept == 0 {
        return None;
    }
    scanner.out.push_str(&text[scanner.kept..]);
    (scanner.out != text).then_some(scanner.out)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Up to here, the text is in `out`.
    kept: usize,
    out: String,
}

impl Scanner<'_> {
    fn run(&mut self, line: &mut Line) {
        while self.at < self.text.len() {
            if !is_name_byte(self.byte(self.at)) {
                self.at += 1;
                continue;
            }
            let start = self.at;
            self.at = self.skip(start, is_name_byte);
            let name = &self.text[start..self.at];
            let begins_word = start == 0 || !matches!(self.byte(start - 1), b'=' | b'/' | b':' | b'@' | b'.' | b',');
            if let Some(program) = Program::named(name) {
                line.program = program;
            } else if begins_word && let Some(length) = line.program.flag(name) {
                self.short_flag(start + length, line);
            } else {
                self.behind(name, start, line);
            }
        }
    }

    /// A flag that ends at `end`, with its value attached or in the next word.
    fn short_flag(&mut self, end: usize, line: &mut Line) {
        self.at = end;
        if end < self.text.len() && !self.byte(end).is_ascii_whitespace() {
            let end = self.value_end(end);
            self.remove(self.at, end);
        } else if line.program != Program::Mysql {
            self.next_word(line);
        }
    }

    /// Looks at what stands behind a name.
    fn behind(&mut self, name: &str, start: usize, line: &mut Line) {
        let after_quote = self.skip(self.at, |b| b == b'\\');
        let after_quote = match self.peek(after_quote) {
            Some(b'"' | b'\'') => after_quote + 1,
            _ => self.at,
        };
        match self.peek(after_quote) {
            Some(b'=') => self.assignment(name, after_quote + 1),
            // `/auth:v1`, `//auth:8080`: an image or an address.
            Some(b':') if start > 0 && self.byte(start - 1) == b'/' => {}
            Some(b':') => self.field(name, after_quote + 1),
            Some(b' ' | b'\t') if self.is_column(after_quote) => {
                let colon = self.skip(after_quote, |b| matches!(b, b' ' | b'\t'));
                self.field(name, colon + 1);
            }
            None | Some(b' ' | b'\t' | b'\n') if name.starts_with('-') && is_secret(name) => self.next_word(line),
            Some(b' ') => self.quoted_or_scheme(name),
            _ => {}
        }
    }

    /// `NAME=value`
    fn assignment(&mut self, name: &str, start: usize) {
        let end = self.value_end(start);
        let value = self.text[start..end].trim_matches(['"', '\'']);
        if (is_secret(name) && !is_harmless_value(value)) || looks_random(value) {
            self.remove(start, end);
        } else {
            // The value may hold names of its own: `--set password=…`, `--opt=auth:…`.
            self.at = start;
        }
    }

    /// `name: value`, to the end of the quotation or of the line.
    fn field(&mut self, name: &str, colon_end: usize) {
        if !is_secret(name) || self.is_port(name, colon_end) {
            return;
        }
        let start = self.skip(colon_end, |b| matches!(b, b' ' | b'\t'));
        let behind = start + REMOVED.len();
        if self.text[start..].starts_with(REMOVED) && !self.peek(behind).is_some_and(is_name_byte) {
            self.at = behind;
            return;
        }
        let opening = self.skip(start, |b| b == b'\\');
        let end = match self.peek(opening) {
            // Up to the next quotation mark of that kind, escaped (as inside of a quotation) or not.
            Some(b'"' | b'\'') if opening > start => {
                let quote = char::from(self.byte(opening));
                self.text[opening + 1..].find(quote).map_or(self.text.len(), |i| opening + 1 + i + 1)
            }
            Some(b'"' | b'\'') => self.value_end(start),
            _ => self.text[start..].find(['"', '\'', '\n']).map_or(self.text.len(), |i| start + i),
        };
        if !is_harmless_value(self.text[start..end].trim_matches(['"', '\''])) {
            self.remove(start, end);
        }
    }

    /// `auth-service:8080`
    fn is_port(&self, name: &str, start: usize) -> bool {
        let end = self.skip(start, |b| b.is_ascii_digit());
        (1..=5).contains(&(end - start))
            && !name.to_ascii_lowercase().contains("pass")
            && matches!(self.peek(end), None | Some(b'/' | b' ' | b',' | b'"' | b'\'' | b'\n'))
    }

    /// The next word is the value, in this argument or in the one after.
    fn next_word(&mut self, line: &mut Line) {
        let start = self.skip(self.at, |b| b.is_ascii_whitespace());
        match self.peek(start) {
            None => line.awaited = true,
            Some(b'-') => {}
            Some(_) => {
                let end = self.value_end(start);
                if !is_harmless_value(self.text[start..end].trim_matches(['"', '\''])) {
                    self.remove(start, end);
                }
            }
        }
    }

    /// `PASSWORD 'hunter2'`, `IDENTIFIED BY 'hunter2'`, `Bearer hunter2`
    fn quoted_or_scheme(&mut self, name: &str) {
        let start = self.skip(self.at, |b| b == b' ');
        let quoted = matches!(self.peek(start), Some(b'"' | b'\''));
        if (quoted && (is_secret(name) || name.eq_ignore_ascii_case("by")))
            || (!quoted && matches!(name, "Bearer" | "Basic"))
        {
            let end = self.value_end(start);
            if !is_harmless_value(self.text[start..end].trim_matches(['"', '\''])) {
                self.remove(start, end);
            }
        }
    }

    /// Where the value ends that begins here: at its closing quote, or where the word ends.
    fn value_end(&self, start: usize) -> usize {
        if let Some(quote @ (b'"' | b'\'')) = self.peek(start) {
            let mut at = start + 1;
            while at < self.text.len() {
                match self.byte(at) {
                    b'\\' => at += 2,
                    b if b == quote => return at + 1,
                    _ => at += 1,
                }
            }
            return self.text.len();
        }
        let mut at = start;
        while at < self.text.len() {
            match self.byte(at) {
                b'\\' => at += 2,
                // A reference to a variable may hold what would end the word.
                b'$' if matches!(self.peek(at + 1), Some(b'(' | b'{')) => {
                    let close = if self.peek(at + 1) == Some(b'(') { ')' } else { '}' };
                    at = self.text[at..].find(close).map_or(self.text.len(), |i| at + i + 1);
                }
                b if b.is_ascii_whitespace() => return at,
                b'"' | b'\'' | b'`' | b';' | b'|' | b'&' | b'<' | b'>' | b')' => return at,
                _ => at += 1,
            }
        }
        self.text.len()
    }

    fn is_column(&self, at: usize) -> bool {
        self.peek(self.skip(at, |b| matches!(b, b' ' | b'\t'))) == Some(b':')
    }

    fn remove(&mut self, start: usize, end: usize) {
        if end <= start {
            return;
        }
        // A character of more than one byte may have been cut by a backslash before it.
        let end = (end..=self.text.len()).find(|i| self.text.is_char_boundary(*i)).unwrap_or(self.text.len());
        self.out.push_str(&self.text[self.kept..start]);
        self.out.push_str(REMOVED);
        self.kept = end;
        self.at = end;
    }

    fn skip(&self, from: usize, while_is: impl Fn(u8) -> bool) -> usize {
        from + self.text.as_bytes()[from..].iter().take_while(|b| while_is(**b)).count()
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes()[at]
    }

    fn peek(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}
