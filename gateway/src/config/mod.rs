//! Configuration: raw (serde, unknown fields denied) to checked; governance files with file and line in each error.
