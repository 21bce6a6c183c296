//! How an object is sealed: as a stream of records, so that it need not fit into memory, and so that no byte is handed
//! out that was not verified. It is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár 2015, "Online authenticated-encryption
//! and its nonce-reuse misuse-resistance"), put together as age does it:
//!
//! | bytes | |
//! |---|---|
//! | 1 | the format, 2 |
//! | 12 | nonce of the next |
//! | 48 | a key of this object alone, under the data key of its organisation |
//! | 1 MiB + 16, any number of times | a record |
//! | 16 to 1 MiB + 16 | the last record |
//!
//! All of it is AES-256-GCM. The nonce of a record is its number (11 bytes, the highest first) and whether it is the last, the
//! associated data is the format and the object's name. So records that are cut off, appended, exchanged or of another object
//! do not open. As each object has a key of its own, no nonce is ever used twice, however many objects there are.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::{Buf, Bytes};

use super::{DataKey, KEY_BYTES};
use crate::{Error, logged::without_ids};

/// First byte of an object that is a stream of records.
pub(super) const FORMAT: u8 = 2;
/// Bytes of content in a record.
pub(super) const RECORD: usize = 1 << 20;
const TAG: usize = 16;
/// Bytes of a record that is not the last.
pub(super) const SEALED: usize = RECORD + TAG;
/// Bytes before the first record.
pub(super) const HEAD: usize = 1 + NONCE_LEN + KEY_BYTES + TAG;

/// Why an object is not opened. Which of these it was cannot be told apart.
const BROKEN: &str = "changed, cut, of another name or of another organisation";

/// The records of one object, in their order.
struct Records {
    key: LessSafeKey,
    bound_to: Vec<u8>,
    next: u64,
}

impl Records {
    fn new(key: &[u8], name: &str) -> Result<Self, Error> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Error::Internal("not a key".to_owned()))?;
        Ok(Self { key: LessSafeKey::new(key), bound_to: bound_to(name), next: 0 })
    }

    fn nonce(&self, is_last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[3..11].copy_from_slice(&self.next.to_be_bytes());
        nonce[11] = u8::from(is_last);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// What head and records are bound to. That of format 1 is the name alone, and no name begins with a 2.
fn bound_to(name: &str) -> Vec<u8> {
    [&[FORMAT], name.as_bytes()].concat()
}

/// Seals an object, record by record.
pub(super) struct Sealer {
    records: Records,
    /// A record that is not full, or of which it is not known yet whether it is the last.
    held: Vec<u8>,
}

impl Sealer {
    /// Begins an object: answers its first bytes, too.
    pub(super) fn new(key: &DataKey, name: &str) -> Result<(Self, Bytes), Error> {
        let fault = |_| Error::Internal("an object could not be encrypted".to_owned());
        // Never seen by anybody, like the nonces of other texts: from where those are.
        let mut own = vec![0; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut own).map_err(fault)?;
        let records = Records::new(&own, name)?;
        let nonce = key.0.seal_in_place_append_tag(Aad::from(bound_to(name)), &mut own).map_err(fault)?;
        let head = [&[FORMAT], nonce.as_ref().as_slice(), &own].concat();
        Ok((Self { records, held: Vec::with_capacity(SEALED) }, head.into()))
    }

    /// Takes from the content what has room, and answers a record when one is full and not the last. To be called until
    /// it answers none.
    pub(super) fn take(&mut self, content: &mut Bytes) -> Result<Option<Bytes>, Error> {
        let room = (RECORD - self.held.len()).min(content.len());
        self.held.extend_from_slice(&content[..room]);
        content.advance(room);
        // A full one may be the last: that is known when there is more.
        if content.is_empty() { Ok(None) } else { self.seal(false).map(Some) }
    }

    /// The last record.
    pub(super) fn finish(mut self) -> Result<Bytes, Error> {
        self.seal(true)
    }

    fn seal(&mut self, is_last: bool) -> Result<Bytes, Error> {
        let nonce = self.records.nonce(is_last);
        let mut record = std::mem::replace(&mut self.held, Vec::with_capacity(if is_last { 0 } else { SEALED }));
        (self.records.key.seal_in_place_append_tag(nonce, Aad::from(&self.records.bound_to), &mut record))
            .map_err(|_| Error::Internal("a record could not be encrypted".to_owned()))?;
        self.records.next += 1;
        Ok(record.into())
    }
}

/// Opens an object, record by record.
pub(super) struct Opener(Records);

impl Opener {
    /// Of the first [`HEAD`] bytes of an object.
    pub(super) fn new(key: &DataKey, name: &str, head: &[u8]) -> Result<Self, Error> {
        let broken = |why: &str| Error::Internal(without_ids(&format!("object {name}: {why}")));
        let Some((&FORMAT, rest)) = head.split_first() else { return Err(broken("of an unknown format")) };
        let Some((nonce, own)) = rest.split_at_checked(NONCE_LEN) else { return Err(broken("too short")) };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken("no nonce"))?;
        let mut own = own.to_vec();
        let own = key.0.open_in_place(nonce, Aad::from(bound_to(name)), &mut own).map_err(|_| broken(BROKEN))?;
        Records::new(own, name).map(Self)
    }

    /// The content of the next record. One that does not open is as if it was never tried.
    pub(super) fn open(&mut self, record: &[u8], is_last: bool) -> Result<Bytes, Error> {
        let records = &mut self.0;
        let broken = || {
            let name = String::from_utf8_lossy(&records.bound_to[1..]);
            Error::Internal(without_ids(&format!("object {name}: {BROKEN}")))
        };
        let mut text = record.to_vec();
        let nonce = records.nonce(is_last);
        let opened =
            records.key.open_in_place(nonce, Aad::from(&records.bound_to), &mut text).map_err(|_| broken())?.len();
        // Nothing is sealed in two ways.
        if opened > RECORD || (is_last && opened == 0 && records.next > 0) || (!is_last && opened < RECORD) {
            return Err(broken());
        }
        records.next += 1;
        text.truncate(opened);
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> DataKey {
        DataKey::of_bytes([byte; KEY_BYTES])
    }

    /// Handed in by pieces of some length.
    fn sealed(content: &[u8], piece: usize) -> Vec<u8> {
        let (mut sealer, head) = Sealer::new(&key(1), "a/b").unwrap();
        let mut object = head.to_vec();
        for piece in content.chunks(piece) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(record) = sealer.take(&mut piece).unwrap() {
                object.extend_from_slice(&record);
            }
        }
        object.extend_from_slice(&sealer.finish().unwrap());
        object
    }

    /// What is read of it before it is wrong; and whether it was right to its end.
    fn opened(object: &[u8], key: &DataKey, name: &str) -> (Vec<u8>, bool) {
        let mut content = Vec::new();
        if object.len() < HEAD {
            return (content, false);
        }
        let (head, mut rest) = object.split_at(HEAD);
        let Ok(mut opener) = Opener::new(key, name, head) else { return (content, false) };
        loop {
            let is_last = rest.len() <= SEALED;
            let (record, after) = rest.split_at(rest.len().min(SEALED));
            let Ok(text) = opener.open(record, is_last) else { return (content, false) };
            content.extend_from_slice(&text);
            if is_last {
                return (content, true);
            }
            rest = after;
        }
    }

    fn content(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
    }

    /// Lengths around the ends of records.
    fn length() -> impl Strategy<Value = usize> {
        prop_oneof![
            0..200_usize,
            (0..4_usize, 0..5_usize).prop_map(|(records, more)| (records * RECORD + more).saturating_sub(2)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_sealed_opens_and_is_as_long_as_it_says(bytes in length(), piece in 1..3 * RECORD) {
            let content = content(bytes);
            // A byte at a time is slow where there are millions.
            let object = sealed(&content, piece.max(bytes / 500 + 1));
            prop_assert_eq!(object.len(), HEAD + bytes + TAG * bytes.div_ceil(RECORD).max(1));
            prop_assert_eq!(opened(&object, &key(1), "a/b"), (content, true));
        }

        #[test]
        fn nothing_but_a_right_beginning_is_read_of_what_was_changed(
            bytes in length(),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
            what in 0..4_u8,
        ) {
            let content = content(bytes);
            let mut object = sealed(&content, RECORD);
            let at = at.index(object.len());
            match what {
                0 => object[at] ^= 1 << bit,
                1 => object.truncate(at),
                2 => object.insert(at, bit),
                _ => { object.remove(at); }
            }
            let (read, is_right) = opened(&object, &key(1), "a/b");
            prop_assert!(!is_right);
            prop_assert!(content.starts_with(&read));
        }
    }

    #[test]
    fn any_changed_byte_and_any_cut_of_a_small_one_is_an_error() {
        let object = sealed(b"what ran", 3);
        assert_eq!(opened(&object, &key(1), "a/b"), (b"what ran".to_vec(), true));
        assert!(!opened(&object, &key(2), "a/b").1, "another organisation");
        assert!(!opened(&object, &key(1), "a/c").1, "another name");
        for at in 0..object.len() {
            let mut changed = object.clone();
            changed[at] ^= 1;
            assert_eq!(opened(&changed, &key(1), "a/b"), (Vec::new(), false), "byte {at}");
            assert_eq!(opened(&object[..at], &key(1), "a/b"), (Vec::new(), false), "cut at {at}");
        }
    }

    #[test]
    fn records_are_not_exchanged_dropped_doubled_nor_taken_from_another_object() {
        let content = content(3 * RECORD);
        let (one, two) = (sealed(&content, RECORD), sealed(&content, RECORD));
        let record = |object: &[u8], n: usize| object[HEAD + n * SEALED..HEAD + (n + 1) * SEALED].to_vec();
        let put = |records: &[(&[u8], usize)]| {
            let records: Vec<Vec<u8>> = records.iter().map(|(object, n)| record(object, *n)).collect();
            [one[..HEAD].to_vec(), records.concat()].concat()
        };
        assert_eq!(opened(&put(&[(&one, 0), (&one, 1), (&one, 2)]), &key(1), "a/b"), (content, true));
        for (wrong, right) in [
            (put(&[(&one, 1), (&one, 0), (&one, 2)]), 0),
            (put(&[(&one, 0), (&one, 2)]), 1),
            (put(&[(&one, 0), (&one, 1)]), 1),
            (put(&[(&one, 0), (&one, 0), (&one, 1), (&one, 2)]), 1),
            (put(&[(&one, 0), (&one, 1), (&one, 2), (&one, 2)]), 2),
            (put(&[(&one, 0), (&two, 1), (&one, 2)]), 1),
            (put(&[]), 0),
        ] {
            let (read, is_right) = opened(&wrong, &key(1), "a/b");
            assert!(!is_right);
            assert_eq!(read.len(), right * RECORD);
        }
    }
}
