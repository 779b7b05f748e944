//! Distributions of times: the parameters that people know, and samplers.

use crate::units::{Share, Span};
use serde::Deserialize;

/// A distribution of times, as the scenario file writes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// Always the same.
    Constant(Span),
    /// Exponential with the given mean.
    Exponential { mean: Span },
    /// Sum of k exponentials.
    Erlang { k: u32, mean: Span },
    /// A mix of exponentials: `means` and `shares`, or two with balanced means from `mean` and `cv` (1 or more).
    Hyperexponential {
        #[serde(default)]
        means: Option<Vec<Span>>,
        #[serde(default)]
        shares: Option<Vec<Share>>,
        #[serde(default)]
        mean: Option<Span>,
        #[serde(default)]
        cv: Option<f64>,
    },
    /// Uniform between min and max.
    Uniform { min: Span, max: Span },
    /// Normal, cut at zero (values below zero become zero).
    Normal { mean: Span, sd: Span },
    /// Lognormal by its own mean and coefficient of variation.
    Lognormal { mean: Span, cv: f64 },
    /// Gamma by its mean and coefficient of variation.
    Gamma { mean: Span, cv: f64 },
    /// Weibull by its mean and shape.
    Weibull { mean: Span, shape: f64 },
    /// Pareto: P(X > x) = (min / x)^alpha.
    Pareto { min: Span, alpha: f64 },
    /// Pareto between min and max, truncated and renormalized.
    BoundedPareto { min: Span, max: Span, alpha: f64 },
    /// One of several values.
    Bimodal { values: Vec<Span>, shares: Vec<Share> },
    /// Drawn from the values in a column of a CSV file, each alike.
    Empirical { file: String, column: String, unit: Span },
}

impl Distribution {
    /// STUB: problems with the parameters, each as (field, what is wrong).
    pub fn validate(&self) -> Result<(), Vec<(String, String)>> {
        Ok(())
    }
}
