//! The bundled plugin that judges metrics in a Prometheus.
