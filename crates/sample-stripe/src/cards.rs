//! Cards that pay and cards that do not, by the numbers of Stripe's own test mode (docs.stripe.com/testing).

/// A card that is attached to a customer. The number itself is not kept.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) payment_method: String,
    pub(crate) last4: String,
    /// Whether a charge succeeds.
    pub(crate) pays: bool,
}

/// Why a card was not attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CardError {
    Declined,
    Incorrect,
}

impl CardError {
    /// Stripe's words.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Declined => "Your card was declined.",
            Self::Incorrect => "Your card number is incorrect.",
        }
    }
}

/// The last four digits, and whether it pays.
pub(crate) fn read(number: &str) -> Result<(String, bool), CardError> {
    let digits: String = number.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let pays = match digits.as_str() {
        "4242424242424242" => true,
        "4000000000000341" => false,
        "4000000000000002" => return Err(CardError::Declined),
        _ => return Err(CardError::Incorrect),
    };
    Ok((digits[digits.len() - 4..].to_owned(), pays))
}
