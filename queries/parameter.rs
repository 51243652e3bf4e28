//! The thresholds of a detector: declared beside its query with unit and reason, set in the
//! configuration, bound to the query by name and type.

use datafusion::common::ScalarValue;
use std::fmt;

/// A named threshold of a derived table.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Name in SQL (`$name`) and key in the table's section of the configuration.
    pub name: &'static str,
    /// What it counts or measures.
    pub kind: Kind,
    /// The value when the configuration says nothing.
    pub default: Value,
    /// Unit or value range.
    pub unit: &'static str,
    /// What it means, why this default, and what raising it costs.
    pub doc: &'static str,
}

/// What a parameter is, and so how SQL sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, 0 or more; BIGINT in SQL.
    Count,
    /// A length of time, written in seconds, more than 0; a DURATION in SQL.
    Duration,
    /// A real number, 0 or more; DOUBLE in SQL.
    Ratio,
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Of a count, or a duration in seconds.
    Whole(i64),
    /// Of a ratio.
    Real(f64),
}

impl Parameter {
    /// The value that a configuration file gives.
    ///
    /// # Errors
    /// When the value has another type or is out of range; the error says what is expected.
    pub fn parse(&self, value: &toml::Value) -> Result<Value, ParameterError> {
        let parsed = match (self.kind, value) {
            (Kind::Count, toml::Value::Integer(n)) if *n >= 0 => Value::Whole(*n),
            (Kind::Duration, toml::Value::Integer(n)) if *n > 0 => Value::Whole(*n),
            (Kind::Ratio, toml::Value::Float(x)) if *x >= 0.0 && x.is_finite() => Value::Real(*x),
            (Kind::Ratio, toml::Value::Integer(n)) if *n >= 0 => Value::Real(*n as f64),
            _ => return Err(ParameterError { name: self.name, kind: self.kind, value: value.to_string() }),
        };
        Ok(parsed)
    }

    /// The typed value that the query gets under this parameter's name.
    #[must_use]
    pub fn scalar(&self, value: Value) -> ScalarValue {
        match (self.kind, value) {
            (Kind::Count, Value::Whole(n)) => ScalarValue::Int64(Some(n)),
            (Kind::Duration, Value::Whole(seconds)) => {
                ScalarValue::DurationMicrosecond(Some(seconds.saturating_mul(1_000_000)))
            }
            (_, Value::Real(x)) => ScalarValue::Float64(Some(x)),
            (Kind::Ratio, Value::Whole(n)) => ScalarValue::Float64(Some(n as f64)),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(n) => write!(f, "{n}"),
            Self::Real(x) => write!(f, "{x:?}"),
        }
    }
}

/// A value that does not fit its parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterError {
    name: &'static str,
    kind: Kind,
    value: String,
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match self.kind {
            Kind::Count => "a whole number, 0 or more",
            Kind::Duration => "a whole number of seconds, 1 or more",
            Kind::Ratio => "a number, 0 or more",
        };
        write!(f, "`{}` must be {expected}, not {}", self.name, self.value)
    }
}

impl std::error::Error for ParameterError {}

/// Declares the parameters of a table: doc comment, name, [`Kind`], default and unit.
macro_rules! parameters {
    ($( $(#[doc = $doc:literal])+ $name:ident: $kind:ident = $default:literal [$unit:literal]; )*) => {
        &[$( $crate::Parameter {
            name: stringify!($name),
            kind: $crate::Kind::$kind,
            default: $crate::parameter::parameters!(@default $kind $default),
            unit: $unit,
            doc: concat!($($doc),+),
        } ),*]
    };
    (@default Ratio $value:literal) => { $crate::Value::Real($value) };
    (@default $kind:ident $value:literal) => { $crate::Value::Whole($value) };
}
pub(crate) use parameters;
