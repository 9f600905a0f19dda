//! What to try next, when everything was left as it is.

use kulta_test_cluster::progress::answer;

use super::script::{APP, NAMESPACE};

/// Says it, with the way to call kubectl, and the way into the network where the gateway
/// is with its address there.
pub(crate) fn tell(kubectl: &str, gateway: Option<(&str, &str)>) {
    let status = format!("{kubectl} patch kr {APP} -n {NAMESPACE} --subresource=status --type=merge -p");
    answer("\nv2 serves, and v3 waits where it was aborted. What to try next:");
    answer(&format!(
        "  see it             {kubectl} get rollouts,replicasets,pods,httproutes -n {NAMESPACE}"
    ));
    answer(&format!(
        "  read its story     {kubectl} describe kr {APP} -n {NAMESPACE}"
    ));
    answer(&format!(
        "  try v3 again       {status} '{{\"status\":{{\"abort\":false}}}}'"
    ));
    answer(&format!(
        "  abort it again     {status} '{{\"status\":{{\"abort\":true}}}}'"
    ));
    answer(&format!(
        "  skip all steps     {status} '{{\"status\":{{\"promoteFull\":true}}}}'"
    ));
    if let Some((inside, address)) = gateway {
        let host = format!("{APP}.{NAMESPACE}.test");
        answer(&format!(
            "  ask the gateway    {inside} curl -s -H 'host: {host}' http://{address}/"
        ));
    }
}
