//! Rows that a query keeps until it is answered: in memory where they are few, otherwise in files.

use crate::files::Files;
use anyhow::{Context, Result};
use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::catalog::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, future};
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

/// The part of all memory that the rows which a query keeps may take before they go to files.
const IN_MEMORY_SHARE: usize = 8;

/// A table over `rows`, one stream a thread, each in `order`, all of which are computed now.
///
/// # Errors
/// When they cannot be computed or written.
pub async fn keep(
    rows: Vec<SendableRecordBatchStream>,
    schema: SchemaRef,
    order: Option<LexOrdering>,
    room: &Arc<Room>,
) -> Result<Arc<dyn TableProvider>> {
    let folder = tempfile::tempdir().context("no room for what a query shares")?;
    let parts = rows.into_iter().enumerate().map(|(number, rows)| {
        let part = Part::new(folder.path().join(format!("{number}.arrow")), Arc::clone(&schema), room);
        tokio::spawn(part.keep(rows))
    });
    let parts: Vec<Part> =
        future::join_all(parts).await.into_iter().map(|part| part?).collect::<Result<_>>()?;
    if parts.iter().all(Part::in_memory) {
        let parts = parts.into_iter().map(|part| part.held).collect();
        return Ok(Arc::new(Held { schema, parts, order, _room: Arc::clone(room) }));
    }
    let files = parts.into_iter().filter_map(|part| part.finish().transpose());
    Ok(Arc::new(Files::held(schema, files.collect::<Result<_>>()?, folder, order)?))
}

/// The memory that the rows which a query keeps may take.
#[derive(Debug)]
pub struct Room {
    reserved: MemoryReservation,
    /// Bytes.
    most: usize,
}

impl Room {
    /// For one query.
    pub fn new(pool: &Arc<dyn MemoryPool>) -> Self {
        let most = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / IN_MEMORY_SHARE,
            _ => usize::MAX,
        };
        Self { reserved: MemoryConsumer::new("WITH").register(pool), most }
    }

    /// Whether `batch` may stay in memory as well.
    fn takes(&self, batch: &RecordBatch) -> bool {
        let bytes = bytes(batch);
        self.reserved.size() + bytes <= self.most && self.reserved.try_grow(bytes).is_ok()
    }

    /// `batch`, which was taken, leaves.
    fn gives_up(&self, batch: &RecordBatch) {
        self.reserved.shrink(bytes(batch));
    }
}

/// The size of the rows of `batch`, which may be pieces of larger arrays.
fn bytes(batch: &RecordBatch) -> usize {
    let bytes = |column: &ArrayRef| {
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
    };
    batch.columns().iter().map(bytes).sum()
}

/// What one thread computes.
struct Part {
    path: PathBuf,
    schema: SchemaRef,
    room: Arc<Room>,
    /// All rows, as long as there is room.
    held: Vec<RecordBatch>,
    /// Takes all rows once there is none.
    file: Option<StreamWriter<BufWriter<File>>>,
    rows: u64,
}

impl Part {
    fn new(path: PathBuf, schema: SchemaRef, room: &Arc<Room>) -> Self {
        Self { path, schema, room: Arc::clone(room), held: Vec::new(), file: None, rows: 0 }
    }

    fn in_memory(&self) -> bool {
        self.file.is_none()
    }

    /// Takes all `rows`.
    async fn keep(mut self, mut rows: SendableRecordBatchStream) -> Result<Self> {
        while let Some(batch) = rows.next().await {
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch?.columns().to_vec())?;
            self.rows += batch.num_rows() as u64;
            if self.in_memory() && self.room.takes(&batch) {
                self.held.push(batch);
            } else {
                self.file()?.write(&batch)?;
            }
        }
        Ok(self)
    }

    /// The file, to which all that is held has moved.
    fn file(&mut self) -> Result<&mut StreamWriter<BufWriter<File>>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = File::create(&self.path).with_context(|| self.path.display().to_string())?;
                StreamWriter::try_new(BufWriter::new(file), &self.schema)?
            }
        };
        let file = self.file.insert(file);
        for batch in self.held.drain(..) {
            self.room.gives_up(&batch);
            file.write(&batch)?;
        }
        Ok(file)
    }

    /// The file with the number of its rows, where there are any.
    fn finish(mut self) -> Result<Option<(PathBuf, u64)>> {
        self.file()?.finish()?;
        Ok((self.rows > 0).then_some((self.path, self.rows)))
    }
}

/// A table over rows in memory.
#[derive(Debug)]
struct Held {
    schema: SchemaRef,
    parts: Vec<Vec<RecordBatch>>,
    /// What the rows of each part are ordered by, where that is known.
    order: Option<LexOrdering>,
    /// Given back with the table.
    _room: Arc<Room>,
}

#[async_trait]
impl TableProvider for Held {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let rows = MemorySourceConfig::try_new(&self.parts, self.schema(), projection.cloned())?;
        let rows = rows.with_limit(limit).try_with_sort_information(self.order.iter().cloned().collect())?;
        Ok(DataSourceExec::from_data_source(rows))
    }
}
