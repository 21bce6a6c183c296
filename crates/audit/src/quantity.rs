//! Quantities of Kubernetes: `100m`, `1.5Gi`, `2e3`.

/// A quantity in thousandths of its unit: `100m` is 100, `1Ki` is 1,024,000. None for what is not one.
///
/// Source: apimachinery's `resource.Quantity`. Where it rounds up to whole nanos, this rounds to thousandths.
pub fn thousandths(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let scale: f64 = match suffix {
        "" => 1e3,
        "n" => 1e-6,
        "u" => 1e-3,
        "m" => 1.0,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "P" => 1e18,
        "E" => 1e21,
        "Ki" => 1e3 * 1024.0,
        "Mi" => 1e3 * 1024_f64.powi(2),
        "Gi" => 1e3 * 1024_f64.powi(3),
        "Ti" => 1e3 * 1024_f64.powi(4),
        "Pi" => 1e3 * 1024_f64.powi(5),
        "Ei" => 1e3 * 1024_f64.powi(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            if !(-30..=30).contains(&exponent) {
                return None;
            }
            10_f64.powi(exponent) * 1e3
        }
    };
    let number: f64 = number.parse().ok()?;
    let value = number * scale;
    #[expect(clippy::cast_possible_truncation, reason = "bounded just here")]
    (value.abs() < 1e33).then(|| value.round() as i128)
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn as_kubernetes_reads_them() {
        for (text, expected) in [
            ("1", Some(1_000)),
            ("100m", Some(100)),
            ("0.5", Some(500)),
            (".5", Some(500)),
            ("1Ki", Some(1_024_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("2k", Some(2_000_000)),
            ("2e3", Some(2_000_000)),
            ("1E", Some(1_000_000_000_000_000_000_000)),
            ("-1", Some(-1_000)),
            ("", None),
            ("x", None),
            ("1Kb", None),
            ("1e999", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }
}
