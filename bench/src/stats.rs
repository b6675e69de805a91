// SPDX-License-Identifier: GPL-2.0

//! Medians and quartiles.

/// What is said of a series of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The lower quartile.
    pub lower: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub upper: f64,
}

impl Summary {
    /// Summarises `values`; `None` of none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        Some(Self {
            lower: quantile(&values, 0.25),
            median: quantile(&values, 0.5),
            upper: quantile(&values, 0.75),
        })
    }

    /// Half the distance between the quartiles, as a share of the median.
    pub fn half_spread(&self) -> f64 {
        (self.upper - self.lower) / 2.0 / self.median
    }
}

/// The value that a share `q` of the sorted values is below, between two of them in proportion.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(values: &[f64]) -> (f64, f64, f64) {
        let summary = Summary::of(values.to_vec()).unwrap();
        (summary.lower, summary.median, summary.upper)
    }

    #[test]
    fn of_an_odd_number() {
        assert_eq!(summary(&[5.0, 1.0, 4.0, 2.0, 3.0]), (2.0, 3.0, 4.0));
    }

    #[test]
    fn of_an_even_number_it_is_between_two() {
        assert_eq!(summary(&[4.0, 1.0, 3.0, 2.0]), (1.75, 2.5, 3.25));
    }

    #[test]
    fn of_one_and_of_none() {
        assert_eq!(summary(&[7.0]), (7.0, 7.0, 7.0));
        assert_eq!(Summary::of(Vec::new()), None);
    }

    #[test]
    fn one_far_value_moves_neither_median_nor_quartile() {
        let calm = [10.0, 11.0, 12.0, 13.0, 14.0];
        let wild = [10.0, 11.0, 12.0, 13.0, 9000.0];
        assert_eq!(summary(&calm), summary(&wild));
    }

    #[test]
    fn spread_is_relative() {
        let spread = Summary::of(vec![8.0, 9.0, 10.0, 11.0, 12.0])
            .unwrap()
            .half_spread();
        assert!((spread - 0.1).abs() < 1e-12);
    }
}
