//! `provider.web`: what a server answers by HTTP, written as in Argo Rollouts and measured by the plugin `web`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use kulta_core::analysis::condition::Conditions;
use kulta_core::spec::Problem;

use super::parse::Field;
use super::prometheus::says_something;

/// The plugin that measures it.
pub const PLUGIN: &str = "web";
/// A plugin's own limit, so that a metric is refused where it is written.
const LONGEST_TIMEOUT: i64 = 55;

/// A request, and where in its answer the value is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Web {
    /// What the server is asked to do: GET, the default, POST or PUT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// One of a server that the operator lets metrics ask.
    pub url: String,
    /// What is sent beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<WebHeader>>,
    /// What is sent by POST or PUT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The same as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_body: Option<Value>,
    /// Seconds that the answer may take, at most 55. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i64>,
    /// Where in the answer the value is, such as `{$.data.errors}`; of several values the first counts. Default: `{$}`. With
    /// neither this nor conditions, the status alone counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_path: Option<String>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure: Option<Value>,
    /// Who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<WebAuthentication>,
}

/// The methods that send something.
const BODY_METHODS: [&str; 2] = ["POST", "PUT"];

/// One header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebHeader {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebAuthentication {
    /// Client credentials, by which a token is asked for before each measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigv4: Option<Value>,
    /// Known so that it can be refused with a reason; no part of the schema.
    #[serde(rename = "basicAuth", skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<Value>,
}

/// Client credentials of `OAuth` 2.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OAuth2 {
    /// Who gives tokens: a server that the operator lets metrics ask.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// An argument that comes from a Secret.
    pub client_secret: String,
    /// What the token is to be good for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

impl Web {
    /// The configuration of the plugin.
    pub(super) fn meaning(
        &self,
        conditions: &Conditions,
        field: &Field<'_>,
        problems: &mut Vec<Problem>,
    ) -> Value {
        let path = |name: &str| format!("provider.web.{name}");
        for (name, written, remedy) in self.unsupported() {
            if written.is_some_and(says_something) {
                let message = format!("not supported by KULTA: {remedy}");
                problems.push(field.problem(&path(name), message));
            }
        }
        // As in Argo Rollouts, 0 and less are the default.
        let seconds = self.timeout_seconds.filter(|seconds| *seconds > 0);
        if seconds.is_some_and(|seconds| seconds > LONGEST_TIMEOUT) {
            let message = format!("must be at most {LONGEST_TIMEOUT} (seconds); correct it");
            problems.push(field.problem(&path("timeoutSeconds"), message));
        }
        let written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (method, json_path) = (written(&self.method), written(&self.json_path));
        let is_judged = conditions.success.is_some() || conditions.failure.is_some();
        let status_only = (json_path.is_none() && !is_judged).then_some(true);
        let (headers, body) = self.payload(field, problems);
        let oauth2 = self.oauth2().map(|oauth2| serde_json::json!({"oauth2": oauth2}));
        let fields = [
            ("method", method.map(Value::from)),
            ("url", Some(Value::from(self.url.clone()))),
            (
                "headers",
                (!headers.is_empty()).then(|| serde_json::json!(headers)),
            ),
            ("body", body.map(Value::from)),
            ("timeoutSeconds", seconds.map(Value::from)),
            ("jsonPath", json_path.map(Value::from)),
            ("authentication", oauth2),
            ("statusOnly", status_only.map(Value::from)),
        ];
        let configuration: Map<String, Value> = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect();
        Value::Object(configuration)
    }

    /// What is sent. A JSON document is a body with its type in the last header, as in Argo Rollouts.
    fn payload(&self, field: &Field<'_>, problems: &mut Vec<Problem>) -> (Vec<WebHeader>, Option<String>) {
        let mut headers = self.headers.clone().unwrap_or_default();
        let body = self.body.clone().filter(|body| !body.is_empty());
        let document = self.json_body.as_ref().filter(|document| !document.is_null());
        let name = if document.is_some() { "jsonBody" } else { "body" };
        let mut refuse = |message| problems.push(field.problem(&format!("provider.web.{name}"), message));
        if body.is_some() && document.is_some() {
            refuse("use either body or jsonBody; take one out");
        }
        let sends = self
            .method
            .as_deref()
            .is_some_and(|method| BODY_METHODS.contains(&method));
        if (body.is_some() || document.is_some()) && !sends {
            refuse("can only be used with the methods POST and PUT; write one of them, or take it out");
        }
        if document.is_some() {
            headers.push(WebHeader {
                key: "Content-Type".to_owned(),
                value: "application/json".to_owned(),
            });
        }
        (headers, document.map(ToString::to_string).or(body))
    }

    /// What Argo Rollouts writes out itself, such as `authentication: {oauth2: {}}`, is nobody.
    fn oauth2(&self) -> Option<&OAuth2> {
        let oauth2 = self.authentication.as_ref()?.oauth2.as_ref()?;
        (*oauth2 != OAuth2::default()).then_some(oauth2)
    }

    /// The fields of Argo Rollouts that have no effect here, and what to do instead.
    fn unsupported(&self) -> [(&'static str, Option<&Value>, &'static str); 3] {
        let insecure = "certificates are always checked; take it out, and have the operator write the authority as \
                        plugins.web.http.caFile";
        let sigv4 = "requests are not signed for AWS; take it out, or have a plugin of your own ask";
        let basic = "take it out, and write a header Authorization whose value is an argument from a Secret with \
                     `Basic <base64 of user:password>` in it";
        let authentication = self.authentication.as_ref();
        [
            ("insecure", self.insecure.as_ref(), insecure),
            (
                "authentication.sigv4",
                authentication.and_then(|authentication| authentication.sigv4.as_ref()),
                sigv4,
            ),
            (
                "authentication.basicAuth",
                authentication.and_then(|authentication| authentication.basic_auth.as_ref()),
                basic,
            ),
        ]
    }
}
