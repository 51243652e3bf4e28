//! JSON: the rows of a single query as an array of objects; a report as an array of sections with
//! `title`, `total`, `hidden` and `rows`.

use super::Section;
use anyhow::Result;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::json::writer::{JsonArray, WriterBuilder};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;

pub(super) fn write(sections: &[Section], out: &mut Vec<u8>) -> Result<()> {
    let document = match sections {
        [only] if only.title.is_empty() => rows(&only.rows)?,
        sections => sections
            .iter()
            .map(|section| {
                Ok(json!({
                    "title": section.title,
                    "total": section.total,
                    "hidden": section.hidden,
                    "rows": rows(&section.rows)?,
                }))
            })
            .collect::<Result<Value>>()?,
    };
    writeln!(out, "{}", escaped(&serde_json::to_string_pretty(&document)?))?;
    Ok(())
}

/// A document in which those control characters are escaped too that JSON lets pass: a terminal must not obey them.
pub fn escaped(document: &str) -> String {
    let mut text = String::with_capacity(document.len());
    for c in document.chars() {
        if c.is_control() && c != '\n' {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

fn rows(batch: &RecordBatch) -> Result<Value> {
    let mut buffer = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut buffer);
    writer.write(batch)?;
    writer.finish()?;
    Ok(if buffer.is_empty() { json!([]) } else { serde_json::from_slice(&buffer)? })
}
