//! Open-loop HTTP load with a strict count of what failed.
