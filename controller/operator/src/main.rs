//! The kulta binary: observe, decide, apply, report.

fn main() {}
