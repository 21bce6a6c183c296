//! Words and numbers as the product writes them.

/// `3,042`
pub(crate) fn number(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        out.push('-');
    }
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 cluster`, `4 clusters`
pub(crate) fn count(n: i64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(n))
}

/// `Deployment.apps` is a `Deployment` to people.
pub(crate) fn kind_name(group_kind: &str) -> &str {
    group_kind.split_once('.').map_or(group_kind, |(kind, _)| kind)
}

/// `MD` for Maya Duran.
pub(crate) fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|w| w.chars().next());
    let first = words.next();
    let last = words.next_back();
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

/// `Kubernetes 1.35.4`, or nothing when it is not known.
pub(crate) fn version(version: Option<&str>) -> Option<String> {
    version.map(|v| format!("Kubernetes {v}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let all: Vec<_> = [0, 12, 999, 1000, 3042, 1_234_567, -4200].into_iter().map(number).collect();
        assert_eq!(all, ["0", "12", "999", "1,000", "3,042", "1,234,567", "-4,200"]);
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(count(1, "cluster"), "1 cluster");
        assert_eq!(count(0, "cluster"), "0 clusters");
    }

    #[test]
    fn initials_are_the_first_and_the_last() {
        assert_eq!(initials("Maya Duran"), "MD");
        assert_eq!(initials("ana maria de la cruz"), "AC");
        assert_eq!(initials("Åsa"), "Å");
        assert_eq!(initials("  "), "");
    }
}
