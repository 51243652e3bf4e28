//! A captured table, and how a table is written into the data dictionary.

use crate::Column;
use arrow_schema::{Schema, SchemaRef};
use std::fmt::Write;
use std::sync::Arc;

/// A table: its name, its meaning and its columns.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Name without the `captured.` or `derived.` prefix; also the folder's name.
    pub name: &'static str,
    /// What a row is.
    pub doc: &'static str,
    /// The column that decides the hour a row belongs to, and the order of rows in a file.
    pub time: &'static str,
    /// The columns, in file order.
    pub columns: &'static [Column],
}

impl Table {
    /// The Arrow schema of every file of this table.
    #[must_use]
    pub fn arrow(&self) -> SchemaRef {
        arrow(self.columns)
    }

    /// This table's page of the data dictionary.
    #[must_use]
    pub fn markdown(&self, tier: &str) -> String {
        markdown(&format!("{tier}.{}", self.name), self.doc, self.columns)
    }
}

/// The Arrow schema of `columns`.
#[must_use]
pub fn arrow(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()))
}

/// A page of the data dictionary: heading, meaning, and one line a column.
#[must_use]
pub fn markdown(name: &str, doc: &str, columns: &[Column]) -> String {
    let mut page =
        format!("## {name}\n\n{}\n\n| column | type | unit | meaning |\n|---|---|---|---|\n", doc.trim());
    for column in columns {
        let null = if column.nullable { ", nullable" } else { "" };
        let _ = writeln!(
            page,
            "| `{}` | {}{null} | {} | {} |",
            column.name,
            type_name(column),
            column.unit,
            column.doc.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|"),
        );
    }
    page
}

/// The type as SQL and notebook users know it.
fn type_name(column: &Column) -> &'static str {
    use crate::Type;
    match column.ty {
        Type::Timestamp => "timestamp",
        Type::Date => "date",
        Type::Text => "text",
        Type::Texts => "list of text",
        Type::Bytes | Type::Nonce => "binary",
        Type::Id => "binary(20)",
        Type::Address => "binary(16)",
        Type::Port | Type::U16 => "uint16",
        Type::Bool => "boolean",
        Type::U8 => "uint8",
        Type::U32 => "uint32",
        Type::I64 => "int64",
        Type::F64 => "float64",
    }
}
