//! Reading and writing statuses.
