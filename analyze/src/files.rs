//! A SQL table over an explicit list of files.
//!
//! DataFusion's own listing table reads whatever a directory holds. Ours knows which files are
//! damaged, which days a query may see, and the schema by declaration, so that a file written
//! before a column existed reads as null.

use crate::dataset::DataFile;
use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    ArrowSource, FileGroup, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// What of a file's path becomes a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioning {
    /// Captured tables: `date` and `hour`.
    Hour,
    /// Day tables: `date`.
    Day,
    /// Window tables: nothing.
    None,
}

impl Partitioning {
    fn columns(self) -> Vec<FieldRef> {
        let date = Arc::new(Field::new("date", DataType::Date32, false));
        let hour = Arc::new(Field::new("hour", DataType::Int32, false));
        match self {
            Self::Hour => vec![date, hour],
            Self::Day => vec![date],
            Self::None => vec![],
        }
    }

    fn values(self, file: &DataFile) -> Vec<ScalarValue> {
        let date = ScalarValue::Date32(file.day);
        let hour = ScalarValue::Int32(file.hour);
        match self {
            Self::Hour => vec![date, hour],
            Self::Day => vec![date],
            Self::None => vec![],
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Files {
    schema: TableSchema,
    files: Vec<PartitionedFile>,
    rows: u64,
    /// Where Arrow files lie that leave with this; none for the Parquet files of a dataset.
    held: Option<TempDir>,
    /// What the rows of each file are ordered by, where that is known.
    order: Option<LexOrdering>,
}

impl Files {
    /// A table with the columns of `schema` and those of `partitioning`, over `files`.
    ///
    /// # Errors
    /// When a path is not absolute or not UTF-8, or a file has vanished.
    pub fn new<'a>(
        schema: SchemaRef,
        partitioning: Partitioning,
        files: impl IntoIterator<Item = &'a DataFile>,
    ) -> Result<Self> {
        let schema = TableSchema::builder(schema).with_table_partition_cols(partitioning.columns()).build();
        let mut rows = 0;
        let files = files
            .into_iter()
            .inspect(|file| rows += file.rows)
            .map(|file| Ok(object(&file.path, file.size)?.with_partition_values(partitioning.values(file))))
            .collect::<Result<_>>()?;
        Ok(Self { schema, files, rows, held: None, order: None })
    }

    /// A table over files in `folder`, with the number of rows of each, which are in `order`. They hold Arrow streams:
    /// of Arrow files the engine reads all batches before it shows the first.
    ///
    /// # Errors
    /// As [`Files::new`].
    pub fn held(
        schema: SchemaRef,
        files: Vec<(PathBuf, u64)>,
        folder: TempDir,
        order: Option<LexOrdering>,
    ) -> Result<Self> {
        let rows = files.iter().map(|(_, rows)| rows).sum();
        let files = files.iter().map(|(path, _)| object(path, path.metadata()?.len()));
        let schema = TableSchema::builder(schema).build();
        Ok(Self { schema, files: files.collect::<Result<_>>()?, rows, held: Some(folder), order })
    }
}

fn object(path: &Path, size: u64) -> Result<PartitionedFile> {
    let path = path.canonicalize()?;
    let meta = ObjectMeta {
        location: ObjectPath::from_absolute_path(&path)?,
        last_modified: path.metadata()?.modified()?.into(),
        size,
        e_tag: None,
        version: None,
    };
    Ok(PartitionedFile::new_from_meta(meta))
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters come with the plan: what the engine leaves to a scan chooses files, row groups and pages.
    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            // The engine has no scan of nothing that could be sorted.
            let schema = projection
                .map_or_else(|| Ok(self.schema()), |columns| self.schema().project(columns).map(Arc::new))?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let source: Arc<dyn FileSource> = if self.held.is_some() {
            Arc::new(ArrowSource::new_stream_file_source(self.schema.clone()))
        } else {
            Arc::new(ParquetSource::new(self.schema.clone()))
        };
        // Which side of a join to hold in memory is decided by this. Inexact, so that nobody takes it for an
        // answer without having read the rows.
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Inexact(usize::try_from(self.rows).unwrap_or(usize::MAX));
        let groups = FileGroup::new(self.files.clone()).split_files(session.config().target_partitions());
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_output_ordering(self.order.iter().cloned().collect())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}
