//! The core in a simulated cluster: rules that hold in every run (`properties`), behaviours one by one (`scenarios`), and those
//! that play on the real cluster as well (`files`).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this is a test: a panic is how it says what is wrong"
)]

mod files;
mod properties;
mod scenarios;
mod simulation;
