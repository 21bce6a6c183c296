//! Whether two series of times are of one distribution: the Mann-Whitney U test, two-sided, by the normal approximation
//! with corrections for ties and continuity. H. B. Mann and D. R. Whitney, 1947.

use std::time::Duration;

/// How probable it is that the two are as far apart as they are, or farther, if they are of one distribution.
pub(super) fn p(a: &[Duration], b: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> = a.iter().map(|t| (*t, true)).chain(b.iter().map(|t| (*t, false))).collect();
    all.sort_unstable();
    let (n_a, n_b, n) = (number(a.len()), number(b.len()), number(all.len()));
    let (mut ranks_of_a, mut ties, mut before) = (0.0, 0.0, 0.0);
    for equal in all.chunk_by(|one, other| one.0 == other.0) {
        let count = number(equal.len());
        // Ranks begin at 1; equal values share the mean of theirs.
        let rank = before + f64::midpoint(count, 1.0);
        ranks_of_a += rank * number(equal.iter().filter(|(_, of_a)| *of_a).count());
        ties += count.powi(3) - count;
        before += count;
    }
    let u = ranks_of_a - n_a * (n_a + 1.0) / 2.0;
    let deviation = (n_a * n_b / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    let distance = ((u - n_a * n_b / 2.0).abs() - 0.5).max(0.0);
    // All equal: nothing tells them apart.
    if deviation > 0.0 { erfc(distance / deviation / std::f64::consts::SQRT_2) } else { 1.0 }
}

/// The complementary error function of what is not negative, to 1.5e-7: Abramowitz and Stegun, 7.1.26.
fn erfc(x: f64) -> f64 {
    let t = 1.0 / 0.327_591_1_f64.mul_add(x, 1.0);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    series.iter().fold(0.0, |sum, factor| t.mul_add(sum, *factor)) * t * (-x * x).exp()
}

fn number(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: &[u64], b: &[u64]) -> f64 {
        let times = |of: &[u64]| of.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
        p(&times(a), &times(b))
    }

    #[test]
    fn known_values_come_out() {
        // The example of scipy.stats.mannwhitneyu, method="asymptotic".
        let answer = of(&[19, 22, 16, 29, 24], &[20, 11, 17, 12]);
        assert!((answer - 0.111_346_9).abs() < 1e-6, "{answer}");
        // With ties: U = 4, and z = 5.5 / √(20 / 12 · (10 - 54 / 72)).
        let answer = of(&[1, 2, 2, 3, 3], &[2, 3, 4, 4]);
        assert!((answer - 0.161_282_3).abs() < 1e-6, "{answer}");
    }

    #[test]
    fn what_differs_is_told_apart_and_what_is_equal_is_not() {
        let one: Vec<u64> = (0..400).map(|n| 1000 + n * 7 % 400).collect();
        let shifted: Vec<u64> = one.iter().map(|t| t + 40).collect();
        assert!(of(&one, &shifted) < 0.001);
        assert!(of(&one, &one) > 0.99);
        assert!((of(&[5; 10], &[5; 10]) - 1.0).abs() < 1e-9);
    }
}
