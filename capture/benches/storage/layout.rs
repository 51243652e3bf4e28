//! Ways to lay a column out in Parquet, and what they cost.

use arrow_array::RecordBatch;
use capture::partition::writer_properties;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use schema::{Column, Type};

/// A layout and its name.
pub type Layout = (&'static str, WriterProperties);

/// What a file costs: its columns one by one, and the whole.
pub struct Size {
    /// Bytes of each column, compressed, with its dictionary.
    pub columns: Vec<f64>,
    /// Bytes of the file.
    pub file: f64,
}

/// Writes `batch` to memory.
///
/// # Errors
/// When the writer refuses the layout.
pub fn write(batch: &RecordBatch, properties: WriterProperties) -> anyhow::Result<Size> {
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    let metadata: ParquetMetaData = writer.close()?;
    let bytes = |column| -> i64 {
        metadata.row_groups().iter().map(|group| group.column(column).compressed_size()).sum()
    };
    let columns = (0..batch.num_columns()).map(|column| bytes(column) as f64).collect();
    Ok(Size { columns, file: file.len() as f64 })
}

/// The layout that the daemon writes.
#[must_use]
pub fn chosen() -> WriterProperties {
    writer_properties(schema::events::TABLE.columns, [])
}

/// The daemon's layout with other compression, pages and statistics.
///
/// # Errors
/// When there is no such level of compression.
pub fn variants() -> anyhow::Result<Vec<Layout>> {
    let builder = || chosen().into_builder();
    let level = |level| anyhow::Ok(builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?)));
    let page = |bytes| builder().set_data_page_size_limit(bytes).set_data_page_row_count_limit(usize::MAX);
    let variants = [
        ("zstd_1", level(1)?),
        ("zstd_3", level(3)?),
        ("zstd_6", level(6)?),
        ("zstd_9", level(9)?),
        ("zstd_19", level(19)?),
        ("pages_64k", page(64 << 10)),
        ("pages_256k", page(256 << 10)),
        ("pages_4m", page(4 << 20)),
        ("statistics_of_columns", builder().set_statistics_enabled(EnabledStatistics::Chunk)),
        ("no_statistics", builder().set_statistics_enabled(EnabledStatistics::None)),
    ];
    Ok(variants.map(|(name, builder)| (name, builder.build())).into())
}

/// Every encoding tried for `column`, written alone and compressed like the daemon's.
#[must_use]
pub fn tried(column: &Column) -> Vec<Layout> {
    let alone = || writer_properties(std::slice::from_ref(column), []).into_builder();
    let plain = |encoding| {
        alone()
            .set_column_dictionary_enabled(column.name.into(), false)
            .set_column_encoding(column.name.into(), encoding)
    };
    let dictionary = |limit| {
        let builder = alone().set_column_dictionary_enabled(column.name.into(), true);
        let builder = builder.set_column_dictionary_page_size_limit(column.name.into(), limit);
        // What follows a full dictionary.
        if column.ty.arrow().is_primitive() {
            builder
        } else {
            builder.set_column_encoding(column.name.into(), Encoding::PLAIN)
        }
    };
    let mut layouts = vec![("plain", plain(Encoding::PLAIN))];
    if column.ty != Type::Bool {
        layouts.push(("dictionary_256k", dictionary(256 << 10)));
        layouts.push(("dictionary_1m", dictionary(1 << 20)));
        layouts.push(("dictionary_4m", dictionary(4 << 20)));
    }
    match column.ty {
        Type::Timestamp | Type::Port | Type::U8 | Type::U16 | Type::U32 => {
            layouts.push(("delta", plain(Encoding::DELTA_BINARY_PACKED)));
            layouts.push(("byte_stream_split", plain(Encoding::BYTE_STREAM_SPLIT)));
        }
        Type::Text | Type::Bytes | Type::Nonce => {
            layouts.push(("delta_length", plain(Encoding::DELTA_LENGTH_BYTE_ARRAY)));
            layouts.push(("delta_bytes", plain(Encoding::DELTA_BYTE_ARRAY)));
        }
        // Not every reader knows another encoding of bytes of a fixed length.
        _ => {}
    }
    layouts.into_iter().map(|(name, builder)| (name, builder.build())).collect()
}
