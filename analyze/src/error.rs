//! The two failures that have an exit code of their own, everything else being a plain error; and what who mistyped
//! may have meant.

use std::fmt::Display;
use thiserror::Error;

/// A failure that the program's exit code tells apart.
#[derive(Debug, Error)]
pub enum Failure {
    /// The request makes no sense; exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The request makes sense and there is nothing to answer it from; exit code 3.
    #[error("{0}")]
    NoData(String),
}

/// What the program tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Something failed, or part of the input had to be left out.
    Failure = 1,
    /// The request makes no sense.
    Usage = 2,
    /// There is no data to answer from.
    NoData = 3,
}

impl Exit {
    /// The exit code that `error` calls for. A closed pipe is success: whoever read the output
    /// has seen enough.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        let closed_pipe = |cause: &(dyn std::error::Error + 'static)| {
            cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
        };
        match error.downcast_ref::<Failure>() {
            Some(Failure::Usage(_)) => Self::Usage,
            Some(Failure::NoData(_)) => Self::NoData,
            None if error.chain().any(closed_pipe) => Self::Ok,
            None => Self::Failure,
        }
    }
}

/// `; did you mean `…`?`: that of the `known` whose name is most like `name`, if there is any.
pub(crate) fn did_you_mean<'a, T: Display>(name: &str, known: impl Iterator<Item = (&'a str, T)>) -> String {
    let likeness = |(known, _): &(&str, T)| strsim::jaro(known, name);
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.map_or_else(String::new, |(_, nearest)| format!("; did you mean `{nearest}`?"))
}
