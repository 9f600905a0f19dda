//! How series are written.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::key::ObjectKey;

/// Names and values of labels.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// The labels that every series of an object has. The group is one more than Argo Rollouts has: there may be one of the same
/// name in the other.
pub(super) fn of_object(key: &ObjectKey) -> Labels<'_> {
    vec![
        ("namespace", key.namespace.as_str()),
        ("name", key.name.as_str()),
        ("api_group", key.group.as_str()),
    ]
}

/// The labels of an object, and others.
pub(super) fn with<'a, const N: usize>(
    key: &'a ObjectKey,
    others: [(&'static str, &'a str); N],
) -> Labels<'a> {
    let mut labels = of_object(key);
    labels.extend(others);
    labels
}

/// Writes all series of one name, which comes with its explanation. One that only grows is `Unknown` where its name does not end
/// as `OpenMetrics` wants it of a counter.
pub(super) fn write<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    kind: MetricType,
    series: impl IntoIterator<Item = (Labels<'a>, i64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in series {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}
