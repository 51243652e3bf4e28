//! The dataset version and the key-value metadata that every file carries.

/// Version of the layout that this build writes. It grows when a column changes its meaning or
/// its type; a new nullable column does not need it.
pub const DATASET: u32 = 1;

/// Metadata key: [`DATASET`] of the writer, decimal.
pub const DATASET_VERSION: &str = "telescope.dataset_version";
/// Metadata key: program and version that wrote the file, such as `capture 0.1.0`.
pub const WRITER: &str = "telescope.writer";
/// Metadata key of captured files: name of the sensor.
pub const SENSOR: &str = "telescope.sensor";
/// Metadata key: number of rows, decimal.
pub const ROWS: &str = "telescope.rows";
/// Metadata key of derived files: digest of the parameters in force for the table.
pub const CONFIG_DIGEST: &str = "telescope.config_digest";
/// Metadata key of derived files: digest of query, parameters and every input.
pub const INPUT_DIGEST: &str = "telescope.input_digest";
/// Metadata key of derived files: what that digest was made of, one line an input.
pub const INPUTS: &str = "telescope.inputs";
/// Metadata key of derived files: first and last day of input, `YYYY-MM-DD/YYYY-MM-DD`.
pub const TIME_RANGE: &str = "telescope.time_range";
/// Metadata key of derived files: capture gaps inside the time range, seconds in all.
pub const GAP_SECONDS: &str = "telescope.gap_seconds";
/// Metadata key of derived files: number of statistical tests made.
pub const TESTS: &str = "telescope.tests";
