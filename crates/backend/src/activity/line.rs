//! A line as it is hashed, the chain that lines are, and its sealed end. Nothing here asks the database.

use hex::ToHex;
use kubewise_contract::{Action, LogFault, OrgId, Verdict};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

/// A line as it is hashed and stored.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) seq: i64,
    pub(super) at: OffsetDateTime,
    pub(super) person_id: Option<Uuid>,
    pub(super) token_id: Option<Uuid>,
    pub(super) place: String,
    pub(super) action: String,
    pub(super) subject_id: Option<Uuid>,
    pub(super) subject: Option<String>,
    pub(super) cluster_id: Option<Uuid>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) salt: Option<Vec<u8>>,
    pub(super) commitment: Option<Vec<u8>>,
    /// Since when it is empty: what it was about is forgotten.
    pub(super) erased_at: Option<OffsetDateTime>,
    pub(super) hash: Vec<u8>,
}

impl Line {
    /// Takes what can be forgotten into the commitment, and that into the hash.
    pub(super) fn seal(&mut self, org: OrgId, before: &[u8], salt: [u8; 16]) {
        self.salt = Some(salt.to_vec());
        self.commitment = Some(self.commit());
        self.hash = self.hash(org, before);
    }

    /// SHA-256 of the salt and of what can be forgotten. Without the salt nobody can try what it may have been.
    fn commit(&self) -> Vec<u8> {
        digest(
            b"kubewise activity 2 content",
            [
                self.salt.clone(),
                id(self.subject_id),
                text(self.subject.as_ref()),
                id(self.cluster_id),
                text(self.before.as_ref()),
                text(self.after.as_ref()),
            ],
        )
    }

    /// SHA-256 of the hash before it, of what stays, and of the commitment.
    fn hash(&self, org: OrgId, before: &[u8]) -> Vec<u8> {
        digest(b"kubewise activity 2", self.what_stays(org, before).into_iter().chain([self.commitment.clone()]))
    }

    /// The same of a line of format 1: of the hash before it and all columns.
    fn first_hash(&self, org: OrgId, before: &[u8]) -> Vec<u8> {
        let content = [
            id(self.subject_id),
            text(self.subject.as_ref()),
            id(self.cluster_id),
            text(self.before.as_ref()),
            text(self.after.as_ref()),
        ];
        digest(b"kubewise activity 1", self.what_stays(org, before).into_iter().chain(content))
    }

    fn what_stays(&self, org: OrgId, before: &[u8]) -> [Option<Vec<u8>>; 8] {
        let micros = self.at.unix_timestamp_nanos() / 1_000;
        [
            Some(before.to_vec()),
            Some(org.0.as_bytes().to_vec()),
            Some(self.seq.to_be_bytes().to_vec()),
            Some(micros.to_be_bytes().to_vec()),
            id(self.person_id),
            id(self.token_id),
            Some(self.place.as_bytes().to_vec()),
            Some(self.action.as_bytes().to_vec()),
        ]
    }

    /// Whether nothing is left of what can be forgotten.
    const fn is_empty(&self) -> bool {
        self.salt.is_none()
            && self.subject_id.is_none()
            && self.subject.is_none()
            && self.cluster_id.is_none()
            && self.before.is_none()
            && self.after.is_none()
    }

    /// Whether this is what was written after the line with this hash, or what is left of it.
    fn is_as_written(&self, org: OrgId, before: &[u8]) -> bool {
        let is_emptied = self.erased_at.is_some();
        if is_emptied && !self.is_empty() {
            return false;
        }
        match &self.commitment {
            Some(commitment) => {
                let is_whole = self.salt.is_some() && *commitment == self.commit();
                (is_emptied || is_whole) && self.hash == self.hash(org, before)
            }
            // What the hash of format 1 was made of is gone from a line that was emptied: it can be believed alone.
            None => is_emptied || (self.salt.is_none() && self.hash == self.first_hash(org, before)),
        }
    }
}

/// SHA-256 of what may be none, each preceded by whether it is there and how long it is: no two are written alike, and none is
/// told from empty.
fn digest(prefix: &[u8], columns: impl IntoIterator<Item = Option<Vec<u8>>>) -> Vec<u8> {
    let mut hash = Sha256::new_with_prefix(prefix);
    for column in columns {
        match column {
            None => hash.update([0]),
            Some(bytes) => {
                hash.update([1]);
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(&bytes);
            }
        }
    }
    hash.finalize().to_vec()
}

fn id(id: Option<Uuid>) -> Option<Vec<u8>> {
    id.map(|id| id.as_bytes().to_vec())
}

fn text(text: Option<&String>) -> Option<Vec<u8>> {
    text.map(|text| text.as_bytes().to_vec())
}

/// The end of the log, which is sealed.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The last line.
    pub(super) seq: i64,
    pub(super) hash: Vec<u8>,
    /// The first line with a commitment. Before it a line without one may have been emptied; after it none was written, and
    /// one that is there was made of another.
    pub(super) since: Option<i64>,
}

impl Head {
    /// With this line as the last one.
    pub(super) fn then(before: Option<&Self>, line: &Line) -> Self {
        let since = before.and_then(|head| head.since).unwrap_or(line.seq);
        Self { seq: line.seq, hash: line.hash.clone(), since: Some(since) }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let since = self.since.map(i64::to_be_bytes);
        [&self.seq.to_be_bytes()[..], &self.hash, since.as_ref().map_or(&[], |since| &since[..])].concat()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (seq, rest) = bytes.split_first_chunk::<8>()?;
        let (hash, rest) = rest.split_at_checked(32)?;
        let since = match rest {
            [] => None,
            since => Some(i64::from_be_bytes(since.try_into().ok()?)),
        };
        Some(Self { seq: i64::from_be_bytes(*seq), hash: hash.to_vec(), since })
    }
}

/// What was read of the log and is as it was written, up to here.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) seq: i64,
    hash: Vec<u8>,
    /// The first line with a commitment.
    since: Option<i64>,
    forgotten: i64,
}

impl Chain {
    /// Takes the next line, or says what is wrong with it.
    pub(super) fn follow(&mut self, org: OrgId, line: Line) -> Result<(), Verdict> {
        // Each log begins with that: one that was emptied, and gone on with, does not.
        let is_first = line.action == Action::OrganisationCreate.as_str();
        if line.seq != self.seq + 1 || (line.seq == 1 && !is_first) {
            return Err(Verdict::Broken { seq: self.seq + 1, fault: LogFault::Missing });
        }
        let is_out_of_place = self.since.is_some() && line.commitment.is_none();
        if is_out_of_place || !line.is_as_written(org, &self.hash) {
            return Err(Verdict::Broken { seq: line.seq, fault: LogFault::Changed });
        }
        if line.commitment.is_some() {
            self.since = self.since.or(Some(line.seq));
        }
        self.forgotten += i64::from(line.erased_at.is_some());
        (self.seq, self.hash) = (line.seq, line.hash);
        Ok(())
    }

    /// What is to be said when there is no further line.
    pub(super) fn end(&self, head: &Head) -> Verdict {
        use std::cmp::Ordering;
        let broken = |seq, fault| Verdict::Broken { seq, fault };
        match head.seq.cmp(&self.seq) {
            Ordering::Greater => broken(self.seq + 1, LogFault::Missing),
            Ordering::Less => broken(head.seq + 1, LogFault::Added),
            Ordering::Equal if head.hash != self.hash => broken(self.seq, LogFault::Changed),
            Ordering::Equal if head.since != self.since => {
                broken(head.since.or(self.since).unwrap_or(self.seq), LogFault::Changed)
            }
            Ordering::Equal => {
                Verdict::Intact { lines: self.seq, forgotten: self.forgotten, hash: self.hash.encode_hex() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::Duration;

    use super::*;

    const ORG: OrgId = OrgId(Uuid::from_u128(1));

    /// What is in a line, by bits, and whether it was emptied after it was written.
    type Written = (u8, bool);

    fn line(seq: i64, bits: u8) -> Line {
        let has = |bit: u8| bits & (1 << bit) != 0;
        let id = |bit, n| has(bit).then(|| Uuid::from_u128(n));
        let text = |bit, text: &str| has(bit).then(|| text.to_owned());
        let action = if seq == 1 { "organisation.create" } else { "cluster.rename" };
        Line {
            seq,
            at: OffsetDateTime::UNIX_EPOCH + Duration::seconds(seq / 2),
            person_id: id(0, 2),
            token_id: id(1, 3),
            place: "192.0.2.0/24".to_owned(),
            action: action.to_owned(),
            subject_id: id(2, 4),
            subject: text(3, "shop"),
            cluster_id: id(4, 4),
            before: text(5, r#"{"name":"shop"}"#),
            after: text(6, r#"{"name":"bank"}"#),
            salt: None,
            commitment: None,
            erased_at: None,
            hash: Vec::new(),
        }
    }

    fn empty(line: &mut Line) {
        (line.salt, line.subject_id, line.subject) = (None, None, None);
        (line.cluster_id, line.before, line.after) = (None, None, None);
        line.erased_at = Some(OffsetDateTime::UNIX_EPOCH);
    }

    /// A log whose first lines are of format 1, the end of which went into the database and came back each time.
    fn log(old: usize, written: &[Written]) -> (Vec<Line>, Head) {
        let (mut lines, mut head) = (Vec::new(), None::<Head>);
        for (n, (bits, is_emptied)) in written.iter().enumerate() {
            let before = head.as_ref().map_or_else(Vec::new, |head| head.hash.clone());
            let mut line = line(i64::try_from(n).unwrap() + 1, *bits);
            let next = if n < old {
                line.hash = line.first_hash(ORG, &before);
                // As it was sealed then.
                Head::read(&[&line.seq.to_be_bytes()[..], &line.hash].concat())
            } else {
                line.seal(ORG, &before, [u8::try_from(n).unwrap(); 16]);
                Head::read(&Head::then(head.as_ref(), &line).write())
            };
            head = Some(next.unwrap());
            if *is_emptied {
                empty(&mut line);
            }
            lines.push(line);
        }
        (lines, head.unwrap())
    }

    fn verdict(lines: &[Line], head: &Head) -> Verdict {
        let mut chain = Chain::default();
        for line in lines {
            if let Err(broken) = chain.follow(ORG, line.clone()) {
                return broken;
            }
        }
        chain.end(head)
    }

    type Tampering = (&'static str, fn(&mut Vec<Line>, usize));

    /// What whoever can write to the database may do to a line that is whole, or to one that was emptied.
    const TO_ALL: &[Tampering] = &[
        ("removed", |lines, n| drop(lines.remove(n))),
        ("removed, and the hole closed", |lines, n| {
            lines.remove(n);
            lines[n..].iter_mut().for_each(|line| line.seq -= 1);
        }),
        ("cut off from here", |lines, n| lines.truncate(n)),
        ("written twice", |lines, n| {
            let mut twice = lines[n].clone();
            lines[n..].iter_mut().for_each(|line| line.seq += 1);
            twice.seq = i64::try_from(n).unwrap() + 1;
            lines.insert(n, twice);
        }),
        ("emptied, and a subject put into it", |lines, n| {
            empty(&mut lines[n]);
            lines[n].subject = Some("other".to_owned());
        }),
        ("emptied, and a person put into it", |lines, n| {
            empty(&mut lines[n]);
            lines[n].subject_id = Some(Uuid::from_u128(9));
        }),
        ("emptied, and a cluster put into it", |lines, n| {
            empty(&mut lines[n]);
            lines[n].cluster_id = Some(Uuid::from_u128(9));
        }),
        ("emptied, and what was before put into it", |lines, n| {
            empty(&mut lines[n]);
            lines[n].before = Some("{}".to_owned());
        }),
        ("emptied, and what was then put into it", |lines, n| {
            empty(&mut lines[n]);
            lines[n].after = Some("{}".to_owned());
        }),
        ("emptied, and a salt put into it", |lines, n| {
            empty(&mut lines[n]);
            lines[n].salt = Some(vec![0; 16]);
        }),
        ("another commitment", |lines, n| lines[n].commitment = Some(vec![0; 32])),
    ];

    /// What may be done to what stays of a line; of one of format 1 that was emptied it is not told (docs/adr/0032).
    const TO_WHAT_STAYS: &[Tampering] = &[
        ("another moment", |lines, n| lines[n].at += Duration::microseconds(1)),
        ("another person", |lines, n| lines[n].person_id = Some(Uuid::from_u128(9))),
        ("another token", |lines, n| lines[n].token_id = Some(Uuid::from_u128(9))),
        ("the person as the token", |lines, n| {
            let line = &mut lines[n];
            (line.person_id, line.token_id) = (line.token_id.or(Some(Uuid::nil())), line.person_id);
        }),
        ("another place", |lines, n| lines[n].place.push('x')),
        ("another action", |lines, n| lines[n].action.push('x')),
        ("put in the next one's place", |lines, n| {
            let last = lines.len() - 1;
            let (one, two) = if n == last { (0, last) } else { (n, n + 1) };
            lines.swap(one, two);
            (lines[one].seq, lines[two].seq) = (lines[two].seq, lines[one].seq);
            // A log of one line has none to change places with.
            if last == 0 {
                lines[0].seq = 2;
            }
        }),
        ("another hash", |lines, n| lines[n].hash[0] ^= 1),
    ];

    /// What may be done to what can be forgotten.
    const TO_WHAT_IS_THERE: &[Tampering] = &[
        ("another subject", |lines, n| lines[n].subject = Some("other".to_owned())),
        ("another subject's id", |lines, n| lines[n].subject_id = Some(Uuid::from_u128(9))),
        ("another cluster", |lines, n| lines[n].cluster_id = Some(Uuid::from_u128(9))),
        ("another before", |lines, n| lines[n].before = Some("{}".to_owned())),
        ("another after", |lines, n| lines[n].after = Some("{}".to_owned())),
        ("another salt", |lines, n| lines[n].salt = Some(vec![99; 16])),
        ("no mark, and other content", |lines, n| {
            lines[n].erased_at = None;
            lines[n].subject = Some("other".to_owned());
        }),
    ];

    /// What may be done to a line with a commitment.
    const TO_NEW: &[Tampering] = &[
        ("no commitment", |lines, n| lines[n].commitment = None),
        ("emptied, as one that was written before", |lines, n| {
            empty(&mut lines[n]);
            lines[n].commitment = None;
        }),
        ("emptied with all before it, as those that were written before", |lines, n| {
            lines[..=n].iter_mut().for_each(|line| {
                empty(line);
                line.commitment = None;
            });
            lines[n].person_id = Some(Uuid::from_u128(9));
        }),
        ("emptied without a mark", |lines, n| {
            empty(&mut lines[n]);
            lines[n].erased_at = None;
        }),
        ("marked as emptied, with its salt", |lines, n| {
            lines[n].erased_at = Some(OffsetDateTime::UNIX_EPOCH);
            lines[n].salt = Some(vec![0; 16]);
        }),
    ];

    proptest! {
        #[test]
        fn what_was_written_and_emptied_is_intact_and_what_was_tampered_with_is_found(
            old in 0_usize..4,
            written in prop::collection::vec((any::<u8>(), any::<bool>()), 1..7),
        ) {
            let (lines, head) = log(old, &written);
            let emptied = lines.iter().filter(|line| line.erased_at.is_some()).count();
            let intact = Verdict::Intact {
                lines: i64::try_from(lines.len()).unwrap(),
                forgotten: i64::try_from(emptied).unwrap(),
                hash: head.hash.encode_hex(),
            };
            prop_assert_eq!(verdict(&lines, &head), intact);
            for (n, line) in lines.iter().enumerate() {
                let (is_old, is_emptied) = (line.commitment.is_none(), line.erased_at.is_some());
                let stays: &[Tampering] = if is_old && is_emptied { &[] } else { TO_WHAT_STAYS };
                let new: &[Tampering] = if is_old { &[] } else { TO_NEW };
                for (what, tamper) in TO_ALL.iter().chain(stays).chain(TO_WHAT_IS_THERE).chain(new) {
                    let mut changed = lines.clone();
                    tamper(&mut changed, n);
                    let found = verdict(&changed, &head);
                    prop_assert!(matches!(found, Verdict::Broken { .. }), "line {} {}: {:?}", n + 1, what, found);
                }
            }
        }

        #[test]
        fn an_end_that_is_no_end_of_a_log_is_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let read = Head::read(&bytes);
            prop_assert_eq!(read.is_some(), bytes.len() == 40 || bytes.len() == 48);
            if let Some(head) = read {
                prop_assert_eq!(head.write(), bytes);
            }
        }
    }
}
