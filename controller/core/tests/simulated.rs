//! The core in a simulated cluster: rules that hold in every run (`properties`), and behaviours one by one
//! (`scenarios`).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this is a test: a panic is how it says what is wrong"
)]

mod properties;
mod scenarios;
mod simulation;
