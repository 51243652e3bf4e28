//! Computes one file of a derived table: asks the query, keeps what has to stay, and writes.

use crate::once;
use anyhow::{Context, Result, bail, ensure};
use capture::partition::writer_properties;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};
use datafusion::common::{DFSchema, ParamValues, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{
    Expr, JoinType, LogicalPlan, Operator, SortExpr, binary_expr, cast, col, lit,
};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::EnabledStatistics;
use datafusion::parquet::schema::types::ColumnPath;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use queries::{Retention, Table};
use schema::{Type, partition, version};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a page, of which a look-up reads at least one in each column: a fifth of the writer's default, at which
/// files are as large.
const PAGE_ROWS: usize = 4096;
/// Bytes of an infohash.
const ID_BYTES: usize = 20;
/// Higher levels make these files no smaller.
const ZSTD_LEVEL: i32 = 1;

/// One file to be computed, apart from the dataset and from other files.
pub(crate) struct Job {
    /// The table.
    pub table: &'static Table,
    /// Knows everything that the query reads.
    pub context: SessionContext,
    /// Thresholds and, of a day, its borders.
    pub parameters: Vec<(String, ScalarValue)>,
    /// Slices of the keyspace that a table made of such is computed in.
    pub slices: usize,
    /// When the table keeps rows of what has left, and has a file that `context` knows.
    pub left: Option<Left>,
    /// Where the file belongs.
    pub folder: PathBuf,
    /// What the file says of itself, beside its number of rows and of tests.
    pub metadata: Vec<(&'static str, String)>,
}

/// What of a table's present file may have to stay.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    /// The days that have not left.
    pub held: BTreeSet<i32>,
    /// Whether rows of which a part has left may stay: what is left of them was judged by the rules of today.
    pub in_part: bool,
}

impl Job {
    /// Computes the file, and says where it is.
    ///
    /// # Errors
    /// When the query fails, or the file cannot be written.
    pub async fn run(self) -> Result<PathBuf> {
        let mut results = Vec::new();
        for result in slices(&self.context, self.table, &self.parameters, self.slices).await? {
            results.push(self.keep(result).await?);
        }
        self.write(results).await
    }

    /// `computed`, and those rows of the table's present file that stay: see [`Retention`].
    async fn keep(&self, computed: DataFrame) -> Result<DataFrame> {
        const NEWER: &str = "newer";
        let Some(left) = &self.left else { return Ok(computed) };
        let day = |day: &i32| lit(ScalarValue::Date32(Some(*day)));
        let has_left =
            |time| cast(col(time), DataType::Date32).in_list(left.held.iter().map(day).collect(), true);
        let (subject, gone) = match self.table.retention {
            Retention::Subjects(subject) if left.in_part => {
                (subject, has_left("first_seen").or(has_left("last_seen")))
            }
            Retention::Subjects(subject) | Retention::Groups(subject) => (subject, has_left("last_seen")),
            Retention::Days | Retention::Raw => return Ok(computed),
        };
        let before = self.context.table(format!("{}.{}", partition::DERIVED, self.table.name)).await?;
        let before = before.filter(gone)?.cache().await?;
        if before.clone().count().await? == 0 {
            return Ok(computed);
        }
        let order = order(computed.logical_plan())?;
        let computed = computed.cache().await?;
        // With what a row is about in columns `side0`, `side1`, …
        let about = |rows: &DataFrame, side: &str| -> Result<DataFrame> {
            subject.iter().enumerate().try_fold(rows.clone(), |rows, (index, sql)| {
                let value = rows.parse_sql_expr(sql)?;
                Ok(rows.with_column(&format!("{side}{index}"), value)?)
            })
        };
        let keys =
            |side: &str| (0..subject.len()).map(|index| col(format!("{side}{index}"))).collect::<Vec<_>>();
        let same = |one: &str, other: &str| {
            let pairs = keys(one).into_iter().zip(keys(other));
            pairs.map(|(one, other)| binary_expr(one, Operator::IsNotDistinctFrom, other)).collect::<Vec<_>>()
        };
        let columns = || self.table.columns.iter().map(|column| col(column.name)).collect::<Vec<_>>();

        let news = about(&computed, "now")?;
        let news = news.select([keys("now"), vec![col("last_seen").alias(NEWER)]].concat())?;
        let again = [same("then", "now"), vec![col(NEWER).gt(col("last_seen"))]].concat();
        let stays = about(&before, "then")?.join_on(news, JoinType::LeftAnti, again)?.cache().await?;
        let told = about(&computed, "now")?;
        let told =
            told.join_on(stays.clone().select(keys("then"))?, JoinType::LeftAnti, same("now", "then"))?;
        Ok(told.select(columns())?.union(stays.select(columns())?)?.sort(order)?)
    }

    /// Writes `results`, one after the other, beside their final name, then moves them there.
    async fn write(&self, results: Vec<DataFrame>) -> Result<PathBuf> {
        let folder = &self.folder;
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(partition::DATA_FILE);
        let temporary = folder.join(format!(".{}.tmp", partition::DATA_FILE));
        let written = self.write_to(&temporary, results).await;
        if let Err(error) = written.and_then(|()| Ok(fs::rename(&temporary, &path)?)) {
            let _ = fs::remove_file(&temporary);
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
        Ok(path)
    }

    async fn write_to(&self, path: &Path, results: Vec<DataFrame>) -> Result<()> {
        let schema = schema::table::arrow(self.table.columns);
        let file = File::create(path)?;
        let metadata = self.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        let level = Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?);
        let mut properties =
            writer_properties(self.table.columns, metadata).into_builder().set_compression(level);
        let order =
            results.first().map(|result| order(result.logical_plan())).transpose()?.unwrap_or_default();
        let keys: Vec<_> =
            order.iter().filter_map(|key| Some(key.expr.try_as_col()?.name.as_str())).collect();
        // What rows are ordered by can be skipped by its extremes, an id as well.
        if let Some(first) = keys.first() {
            properties = properties
                .set_data_page_row_count_limit(PAGE_ROWS)
                .set_column_statistics_enabled(ColumnPath::from(*first), EnabledStatistics::Page);
        }
        // Equal ids lie side by side then and compress without a dictionary, which takes time to make, and of which a
        // look-up would have to read the whole.
        let ids = self.table.columns.iter().filter(|column| matches!(column.ty, Type::Id | Type::Address));
        for id in ids.filter(|column| keys.contains(&column.name)) {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(id.name), false);
        }
        let mut writer = ArrowWriter::try_new(&file, Arc::clone(&schema), Some(properties.build()))?;
        let (mut rows, mut tests) = (0, Tests::new(&self.context, self.table)?);
        let mut results = results.into_iter();
        let mut next = ahead(results.next()).await?;
        while let Some(mut batches) = next {
            // The next slice is computed while this one is written.
            next = ahead(results.next()).await?;
            while let Some(batch) = batches.next().await {
                let batch = RecordBatch::try_new(Arc::clone(&schema), batch?.columns().to_vec())?;
                rows += batch.num_rows();
                tests.see(&batch)?;
                writer.write(&batch)?;
            }
        }
        for (key, count) in [(version::ROWS, rows as i64), (version::TESTS, tests.count())] {
            writer.append_key_value_metadata(KeyValue::new(key.to_owned(), count.to_string()));
        }
        writer.close()?;
        file.sync_all()?;
        Ok(())
    }
}

/// How many tests the rows of a table tell of.
struct Tests {
    /// Tells families apart; none for a table without tests.
    family: Option<Arc<dyn PhysicalExpr>>,
    /// The number that a row of each family gives.
    most: BTreeMap<String, i64>,
}

impl Tests {
    const COLUMN: &str = "tests";

    fn new(context: &SessionContext, table: &Table) -> Result<Self> {
        let scored = table.columns.iter().any(|column| column.name == Self::COLUMN);
        let family = |schema: DFSchema| {
            let family = context.parse_sql_expr(table.families.unwrap_or("''"), &schema)?;
            context.create_physical_expr(cast(family, DataType::Utf8), &schema)
        };
        let schema = DFSchema::try_from(schema::table::arrow(table.columns))?;
        Ok(Self { family: scored.then(|| family(schema)).transpose()?, most: BTreeMap::new() })
    }

    fn see(&mut self, batch: &RecordBatch) -> Result<()> {
        let (Some(family), Some(tests)) = (&self.family, batch.column_by_name(Self::COLUMN)) else {
            return Ok(());
        };
        let families = family.evaluate(batch)?.into_array(batch.num_rows())?;
        for (family, tests) in families.as_string::<i32>().iter().zip(tests.as_primitive::<Int64Type>()) {
            if let (Some(family), Some(tests)) = (family, tests) {
                match self.most.get_mut(family) {
                    Some(most) => *most = tests.max(*most),
                    None => drop(self.most.insert(family.to_owned(), tests)),
                }
            }
        }
        Ok(())
    }

    fn count(&self) -> i64 {
        self.most.values().sum()
    }
}

/// `$since` and `$until` of a day table.
#[must_use]
pub fn day_parameters(day: i32) -> [(String, ScalarValue); 2] {
    let timestamp = |day: i32| {
        ScalarValue::TimestampMicrosecond(Some(i64::from(day) * partition::DAY), Some("UTC".into()))
    };
    [("since".to_owned(), timestamp(day)), ("until".to_owned(), timestamp(day + 1))]
}

/// The rows of `result`, if there is one, which are computed from now on.
async fn ahead(result: Option<DataFrame>) -> Result<Option<SendableRecordBatchStream>> {
    let Some(result) = result else { return Ok(None) };
    Ok(Some(spawn_buffered(result.execute_stream().await?, 1)))
}

/// `$first` and `$last` of one of `count` slices of the keyspace: at most 256, a power of two.
fn slice(number: usize, count: usize) -> [(String, ScalarValue); 2] {
    let id = |first: usize, rest: u8| {
        let mut id = vec![rest; ID_BYTES];
        id[0] = first as u8;
        ScalarValue::FixedSizeBinary(ID_BYTES as i32, Some(id))
    };
    let width = 256 / count;
    [("first".to_owned(), id(number * width, 0)), ("last".to_owned(), id((number + 1) * width - 1, u8::MAX))]
}

/// The query of `table` with `parameters` bound and its columns as declared.
///
/// # Errors
/// When the query does not plan, a parameter is missing, or its columns are not the declared ones.
pub async fn query(
    context: &SessionContext,
    table: &Table,
    parameters: Vec<(String, ScalarValue)>,
) -> Result<DataFrame> {
    in_slice(context, table, parameters, (0, 1)).await
}

/// The same in `count` slices of the keyspace, one after the other; in one, unless `table` is made of such.
///
/// # Errors
/// As [`query`].
pub async fn slices(
    context: &SessionContext,
    table: &Table,
    parameters: &[(String, ScalarValue)],
    count: usize,
) -> Result<Vec<DataFrame>> {
    let count = if table.sliced { count } else { 1 };
    let mut slices = Vec::new();
    for number in 0..count {
        slices.push(in_slice(context, table, parameters.to_vec(), (number, count)).await?);
    }
    Ok(slices)
}

async fn in_slice(
    context: &SessionContext,
    table: &Table,
    mut parameters: Vec<(String, ScalarValue)>,
    (number, count): (usize, usize),
) -> Result<DataFrame> {
    if table.sliced {
        parameters.extend(slice(number, count));
    }
    let result = once::dataframe(context, table.query, ParamValues::from(parameters)).await?;
    let declared = schema::table::arrow(table.columns);
    let produced: SchemaRef = Arc::new(result.schema().as_arrow().clone());
    let columns = conform(&produced, &declared)?;
    // Columns that are converted on top of sorted rows may come in the order of the threads: said last, the
    // order holds.
    let order = order(result.logical_plan())?;
    Ok(result.select(columns)?.sort(order)?)
}

/// The order in which a query wants its rows, by the names of its columns.
fn order(plan: &LogicalPlan) -> Result<Vec<SortExpr>> {
    let LogicalPlan::Sort(sort) = plan else {
        bail!("query.sql must end with ORDER BY, over columns that it produces");
    };
    let key = |key: &SortExpr| match &key.expr {
        Expr::Column(column) => Ok(col(format!("\"{}\"", column.name)).sort(key.asc, key.nulls_first)),
        other => bail!("query.sql must be ordered by columns, not by {other}"),
    };
    sort.expr.iter().map(key).collect()
}

/// Expressions that turn the produced columns into the declared ones, where only the width of an
/// integer or the layout of a text differs.
fn conform(produced: &Schema, declared: &Schema) -> Result<Vec<Expr>> {
    let names =
        |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let (have, want) = (names(produced), names(declared));
    ensure!(have == want, "query.sql produces the columns {have:?}, mod.rs declares {want:?}");
    let pairs = produced.fields().iter().zip(declared.fields());
    pairs
        .map(|(have, want)| {
            let column = col(format!("\"{}\"", have.name()));
            match (have.data_type(), want.data_type()) {
                (from, to) if from == to => Ok(column),
                (DataType::UInt64, to @ DataType::Int64)
                | (DataType::Utf8View, to @ DataType::Utf8)
                | (DataType::BinaryView, to @ DataType::Binary)
                | (DataType::List(_), to @ DataType::List(_))
                | (DataType::Timestamp(..), to @ DataType::Timestamp(..)) => {
                    Ok(cast(column, to.clone()).alias(want.name()))
                }
                (from, to) => {
                    bail!("column {} is {from} in query.sql and {to} in mod.rs", want.name())
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_lie_side_by_side_from_the_first_infohash_to_the_last() {
        let id = |bytes: [u8; 2]| {
            let rest = [bytes[1]; ID_BYTES - 1];
            ScalarValue::FixedSizeBinary(ID_BYTES as i32, Some([&bytes[..1], &rest].concat()))
        };
        let borders: Vec<_> = (0..4).flat_map(|number| slice(number, 4)).map(|(_, border)| border).collect();
        let expected = [[0, 0], [63, 255], [64, 0], [127, 255], [128, 0], [191, 255], [192, 0], [255, 255]];
        assert_eq!(borders, expected.map(id));
        assert_eq!(slice(0, 1).map(|(name, _)| name), ["first", "last"]);
    }
}
