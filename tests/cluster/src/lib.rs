//! A real Kubernetes on one Linux machine, from package registries alone.
