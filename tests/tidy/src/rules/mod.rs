//! The rules, one to a file. Each is a function from the tree to its faults.

pub mod coverage;
pub mod edges;
pub mod folders;
pub mod functions;
pub mod links;
pub mod machine;
pub mod manifests;
pub mod networks;
pub mod opening;
pub mod packages;
pub mod size;
