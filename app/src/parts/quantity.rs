//! Kubernetes quantities in words people compare: `15842828Ki` is 15.1 GiB.
//! Source: Kubernetes API, `resource.Quantity` (suffixes n u m k M G T P E, Ki Mi Gi Ti Pi Ei).

/// Cores: `3920m` is `3.9`. What is not a quantity is shown as it came.
pub(crate) fn cpu(quantity: &str) -> String {
    thousandths(quantity).map_or_else(|| quantity.to_owned(), |cores| short(cores, 1000))
}

/// Memory in GiB, or MiB when it is less than one.
pub(crate) fn memory(quantity: &str) -> String {
    const MIB: u64 = 1000 << 20;
    const GIB: u64 = 1000 << 30;
    match thousandths(quantity) {
        Some(bytes) if bytes >= GIB => format!("{} GiB", short(bytes, GIB)),
        Some(bytes) => format!("{} MiB", short(bytes, MIB)),
        None => quantity.to_owned(),
    }
}

/// The value times 1000: whole numbers, since floating point weighs more than it is worth here.
fn thousandths(quantity: &str) -> Option<u64> {
    let split = quantity.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(split);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{:0<3}", fraction.get(..fraction.len().min(3))?).parse().ok()?;
    let value = whole.checked_mul(1000)?.checked_add(fraction)?;
    match suffix {
        "" => Some(value),
        "n" => Some(value / 1_000_000_000),
        "u" => Some(value / 1_000_000),
        "m" => Some(value / 1000),
        "k" => value.checked_mul(1000),
        "M" => value.checked_mul(1_000_000),
        "G" => value.checked_mul(1_000_000_000),
        "T" => value.checked_mul(1_000_000_000_000),
        "Ki" => value.checked_mul(1 << 10),
        "Mi" => value.checked_mul(1 << 20),
        "Gi" => value.checked_mul(1 << 30),
        "Ti" => value.checked_mul(1 << 40),
        _ => None,
    }
}

/// The value in units, with one decimal where it says something: `3.9`, `4`, `128`.
fn short(value: u64, unit: u64) -> String {
    let whole = value / unit;
    let tenths = (value % unit * 10 + unit / 2) / unit;
    match (whole, tenths) {
        (100.., _) => (whole + u64::from(tenths >= 5)).to_string(),
        (_, 0) => whole.to_string(),
        (_, 10) => (whole + 1).to_string(),
        _ => format!("{whole}.{tenths}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_said_in_words_people_compare() {
        assert_eq!(cpu("3920m"), "3.9");
        assert_eq!(cpu("4"), "4");
        assert_eq!(memory("15842828Ki"), "15.1 GiB");
        assert_eq!(memory("536870912"), "512 MiB");
        assert_eq!(memory("32Gi"), "32 GiB");
        assert_eq!(memory("1.5Gi"), "1.5 GiB");
        assert_eq!((cpu("1960m"), cpu("127700m"), cpu("0.25")), ("2".into(), "128".into(), "0.3".into()));
    }

    #[test]
    fn what_is_no_quantity_is_shown_as_it_came() {
        assert_eq!(memory("plenty"), "plenty");
        assert_eq!(cpu(""), "");
        assert_eq!(memory("99999999999Ti"), "99999999999Ti");
    }
}
