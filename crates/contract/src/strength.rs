//! How hard a password is to guess, and what makes it easy.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::Problem;

/// What a person is told of a password while they choose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strength {
    /// From 0, guessed at once, to 4; as zxcvbn counts.
    pub score: u8,
    /// Why it would be refused, if it would.
    pub problem: Option<Problem>,
}

impl Strength {
    /// The highest score.
    pub const MOST: u8 = 4;
}

/// What makes a password easy to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weakness {
    /// It is among the passwords that many had when they were stolen.
    Breached,
    /// It is nearly such a one.
    NearlyBreached,
    /// It is made of what is known of the person.
    Personal,
    /// A word by itself.
    Word,
    /// Names.
    Name,
    /// Keys beside each other.
    Keyboard,
    /// The same again.
    Repeat,
    /// One character after the other.
    Sequence,
    /// A day or a year.
    Date,
    /// Nothing of these, and still too little.
    Short,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Breached => "it is on the lists of stolen passwords that are tried first",
            Self::NearlyBreached => "it is close to one on the lists of stolen passwords that are tried first",
            Self::Personal => "it is made of your own name, address or organisation",
            Self::Word => "a word by itself is tried early",
            Self::Name => "names are tried early",
            Self::Keyboard => "keys beside each other are tried early",
            Self::Repeat => "the same again makes it longer, hardly harder",
            Self::Sequence => "sequences like abc or 6543 are tried early",
            Self::Date => "days and years are tried early",
            Self::Short => "there is too little in it that is hard to foresee",
        })
    }
}
