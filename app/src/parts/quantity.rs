//! Kubernetes quantities in words people compare: `15842828Ki` is 15.1 GiB.
//! Source: Kubernetes API, `resource.Quantity` (suffixes n u m k M G T P E, Ki Mi Gi Ti Pi Ei).

/// Cores: `3920m` is `3.9`. What is not a quantity is shown as it came.
pub(crate) fn cpu(quantity: &str) -> String {
    value(quantity).map_or_else(|| quantity.to_owned(), short)
}

/// Memory in GiB, or MiB when it is less than one.
pub(crate) fn memory(quantity: &str) -> String {
    const MIB: f64 = 1_048_576.0;
    const GIB: f64 = 1_073_741_824.0;
    match value(quantity) {
        Some(bytes) if bytes >= GIB => format!("{} GiB", short(bytes / GIB)),
        Some(bytes) => format!("{} MiB", short(bytes / MIB)),
        None => quantity.to_owned(),
    }
}

fn value(quantity: &str) -> Option<f64> {
    let split = quantity.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(quantity.len());
    let (digits, suffix) = quantity.split_at(split);
    let number: f64 = digits.parse().ok()?;
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _ => return None,
    };
    Some(number * factor)
}

/// One decimal where it says something: `3.9`, `4`, `128`.
fn short(value: f64) -> String {
    let text = if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") };
    text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
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
    }

    #[test]
    fn what_is_no_quantity_is_shown_as_it_came() {
        assert_eq!(memory("plenty"), "plenty");
        assert_eq!(cpu(""), "");
    }
}
