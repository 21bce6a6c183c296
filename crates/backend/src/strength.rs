//! How hard a password is to guess: the estimate of zxcvbn, and the list of those that most people had when they were
//! stolen, which the crate `passwords` brings (the first hundred thousand of the Pwned Passwords).

use kubewise_contract::{PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, Problem, Strength, Weakness};
use passwords::analyzer::is_common_password;
use zxcvbn::{
    Entropy, Score,
    feedback::{Feedback, Warning},
    zxcvbn,
};

/// Score 3 of 4: more than 10^8 guesses.
const ENOUGH: Score = Score::Three;
/// What is judged of a password: the estimate takes quadratic time.
const JUDGED_CHARS: usize = 72;
/// What is judged of what is known of a person.
const JUDGED_WORDS: usize = 40;

/// Of a normalised password. `about` is what an attacker would try first.
pub(crate) fn of(password: &str, about: &[&str]) -> Strength {
    let refused = |problem| Strength { score: 0, problem: Some(problem) };
    let chars = password.chars().count();
    if chars == 0 {
        return refused(Problem::Missing);
    }
    if chars < PASSWORD_MIN_CHARS {
        return refused(Problem::TooShort { min: PASSWORD_MIN_CHARS });
    }
    if chars > PASSWORD_MAX_CHARS {
        return refused(Problem::TooLong { max: PASSWORD_MAX_CHARS });
    }
    if is_common_password(password) || is_common_password(password.to_lowercase()) {
        return refused(Problem::TooWeak(Weakness::Breached));
    }
    let judged: String = password.chars().take(JUDGED_CHARS).collect();
    // As a whole, too: an address is three words with something between them, which would count as chosen at random.
    let words = about.iter().copied().chain(about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric())));
    let words: Vec<&str> = words.filter(|word| word.len() > 2).take(JUDGED_WORDS).collect();
    let estimate = zxcvbn(&judged, &words);
    let weak = estimate.score() < ENOUGH;
    let problem = weak.then(|| Problem::TooWeak(weakness(&judged, &estimate)));
    Strength { score: estimate.score().into(), problem }
}

/// What makes it weak: zxcvbn's word for it in ours.
fn weakness(judged: &str, estimate: &Entropy) -> Weakness {
    use Warning as W;
    // zxcvbn has no word for what is known of the person: without knowing it, it would not have been weak.
    if zxcvbn(judged, &[]).score() >= ENOUGH {
        return Weakness::Personal;
    }
    match estimate.feedback().and_then(Feedback::warning) {
        Some(W::ThisIsATop10Password | W::ThisIsATop100Password | W::ThisIsACommonPassword) => Weakness::Breached,
        Some(W::ThisIsSimilarToACommonlyUsedPassword) => Weakness::NearlyBreached,
        Some(W::AWordByItselfIsEasyToGuess) => Weakness::Word,
        Some(W::NamesAndSurnamesByThemselvesAreEasyToGuess | W::CommonNamesAndSurnamesAreEasyToGuess) => Weakness::Name,
        Some(W::StraightRowsOfKeysAreEasyToGuess | W::ShortKeyboardPatternsAreEasyToGuess) => Weakness::Keyboard,
        Some(W::RepeatsLikeAaaAreEasyToGuess | W::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess) => Weakness::Repeat,
        Some(W::SequencesLikeAbcAreEasyToGuess) => Weakness::Sequence,
        Some(W::RecentYearsAreEasyToGuess | W::DatesAreOftenEasyToGuess) => Weakness::Date,
        None => Weakness::Short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(password: &str) -> Option<Problem> {
        of(password, &["Maya Duran", "maya@example.com", "Quillfeather Stone"]).problem
    }

    #[test]
    fn weak_passwords_are_refused_with_the_reason() {
        assert_eq!(problem(""), Some(Problem::Missing));
        assert_eq!(problem("short"), Some(Problem::TooShort { min: PASSWORD_MIN_CHARS }));
        let expected = [
            ("1234567890", Weakness::Breached),
            ("1Q2W3E4R5T6Y", Weakness::Breached),
            ("p4ssw0rd4444", Weakness::NearlyBreached),
            ("quillfeatherstone", Weakness::Personal),
            ("Maya@Example.com", Weakness::Personal),
            ("mowing-mowing-", Weakness::Repeat),
            ("constitutional", Weakness::Word),
            ("23.11.1987", Weakness::Date),
            ("abcdefghijklm", Weakness::Sequence),
        ];
        let found = expected.map(|(password, _)| (password, problem(password)));
        assert_eq!(found, expected.map(|(password, weakness)| (password, Some(Problem::TooWeak(weakness)))));
        assert_eq!(problem(&"a".repeat(257)), Some(Problem::TooLong { max: PASSWORD_MAX_CHARS }));
        assert_eq!(problem("correct horse battery staple"), None);
        assert_eq!(problem("ὀρθὸς ἵππος μπαταρία"), None);
    }

    #[test]
    fn long_passwords_are_taken() {
        let long: String =
            "harbour lemon quilt thunder violet anchor drums quietly ".repeat(5).chars().take(256).collect();
        assert_eq!(long.len(), PASSWORD_MAX_CHARS);
        assert_eq!(problem(&long), None);
    }

    #[test]
    fn what_was_stolen_from_many_is_refused_however_strong_it_looks() {
        // Long enough, and strong as far as an estimate can tell.
        for password in ["sevgeyq9v7kor", "SevGeyq9V7Kor", "constance626boilard1987"] {
            assert!(zxcvbn(password, &[]).score() >= ENOUGH, "{password}");
            assert_eq!(problem(password), Some(Problem::TooWeak(Weakness::Breached)), "{password}");
        }
    }
}
