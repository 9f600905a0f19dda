//! The Kubernetes kinds of KULTA: types, names, validation, CRD generation.
