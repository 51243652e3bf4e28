//! One column: its type, unit and meaning, and what follows from the type.

use arrow_schema::{DataType, Field, TimeUnit};
use std::sync::Arc;

/// What a column holds. The Arrow type and the Parquet encoding follow from it, so that every
/// infohash and every address in the dataset is stored the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Microseconds since 1970-01-01 UTC.
    Timestamp,
    /// Days since 1970-01-01.
    Date,
    /// UTF-8 text of few distinct values.
    Text,
    /// A list of short texts.
    Texts,
    /// Bytes of any length and few distinct values.
    Bytes,
    /// Bytes of any length that seldom repeat.
    Nonce,
    /// A 160-bit node id, infohash or lookup target, most significant byte first.
    Id,
    /// An IPv6 address, or an IPv4 address mapped into `::ffff:0:0/96`, in network order.
    Address,
    /// A UDP port.
    Port,
    /// True or false.
    Bool,
    /// 0 to 255.
    U8,
    /// 0 to 65,535.
    U16,
    /// 0 to 4,294,967,295.
    U32,
    /// A signed count or duration.
    I64,
    /// A real number.
    F64,
}

/// How a column is laid out in Parquet. Only encodings that DuckDB, Polars and pyarrow all read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Differences, bit-packed: for timestamps and counts that grow.
    Delta,
    /// A dictionary, and plain values once it is full: for values that repeat.
    Dictionary,
    /// Values as they are: for real numbers.
    Plain,
    /// Lengths apart from the bytes: for short bytes that seldom repeat.
    DeltaLength,
}

impl Type {
    /// The Arrow type in memory and in the file.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            Self::Bytes | Self::Nonce => DataType::Binary,
            Self::Id => DataType::FixedSizeBinary(20),
            Self::Address => DataType::FixedSizeBinary(16),
            Self::Port | Self::U16 => DataType::UInt16,
            Self::Bool => DataType::Boolean,
            Self::U8 => DataType::UInt8,
            Self::U32 => DataType::UInt32,
            Self::I64 => DataType::Int64,
            Self::F64 => DataType::Float64,
        }
    }

    /// The Parquet encoding: what takes the fewest bytes for an hour of events, see the benchmark
    /// `storage` of `capture`. Fixed-size bytes always fall back to plain: the delta encoding that
    /// version 2 writers choose by themselves cannot be read by Polars.
    #[must_use]
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Timestamp => Encoding::Delta,
            Self::F64 => Encoding::Plain,
            Self::Nonce => Encoding::DeltaLength,
            Self::Date
            | Self::Text
            | Self::Texts
            | Self::Bytes
            | Self::Id
            | Self::Address
            | Self::Port
            | Self::Bool
            | Self::U8
            | Self::U16
            | Self::U32
            | Self::I64 => Encoding::Dictionary,
        }
    }
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name that SQL and every reader uses.
    pub name: &'static str,
    /// What it holds.
    pub ty: Type,
    /// Whether a row may leave it out.
    pub nullable: bool,
    /// Unit or value range; `–` where there is none.
    pub unit: &'static str,
    /// What it means, in whole sentences.
    pub doc: &'static str,
}

impl Column {
    /// The Arrow field.
    #[must_use]
    pub fn field(&self) -> Field {
        Field::new(self.name, self.ty.arrow(), self.nullable)
    }
}

/// Declares the columns of a table: doc comment, name, [`Type`], `null` where a row may leave the
/// value out, and the unit.
///
/// ```
/// const COLUMNS: &[schema::Column] = schema::columns! {
///     /// When it happened.
///     ts: Timestamp ["µs, UTC"];
///     /// The autonomous system, where a geo file was given.
///     asn: U32 null ["AS number"];
/// };
/// assert!(!COLUMNS[0].nullable && COLUMNS[1].nullable);
/// ```
#[macro_export]
macro_rules! columns {
    ($( $(#[doc = $doc:literal])+ $name:ident: $ty:ident $($null:ident)? [$unit:literal]; )*) => {
        &[$( $crate::Column {
            name: stringify!($name),
            ty: $crate::Type::$ty,
            nullable: !stringify!($($null)?).is_empty(),
            unit: $unit,
            doc: concat!($($doc),+),
        } ),*]
    };
}
