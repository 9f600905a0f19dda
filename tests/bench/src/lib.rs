//! Benchmarks of KULTA.
