//! Tests of the whole: random histories against a small reference, and tables for each part.

mod histories;
mod reference;
mod tables;
mod world;
