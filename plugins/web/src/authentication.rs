//! Tokens of `OAuth` 2 by client credentials (RFC 6749, section 4.4), asked for anew for each measurement: nothing is kept
//! between two calls, and a token least of all.

use std::fmt::Write as _;
use std::time::Duration;

use kulta_plugin_sdk::{Header, Host, Method, PluginError, Request, read_json};
use serde::Deserialize;

use crate::accepted;
use crate::config::OAuth2;

/// What of the answer is read.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

/// A token.
pub(crate) fn token(oauth2: &OAuth2, timeout: Duration, host: &impl Host) -> Result<String, PluginError> {
    let told = |message: &str| PluginError::Upstream(format!("authentication.oauth2: {message}"));
    let response = host
        .send(&Request {
            method: Method::Post,
            url: oauth2.token_url.clone(),
            headers: vec![Header::new("content-type", "application/x-www-form-urlencoded")],
            body: Some(form(oauth2)),
            timeout,
        })
        .map_err(|error| told(&error.to_string()))?;
    accepted(&response).map_err(|error| told(&error.to_string()))?;
    let answer: Result<Answer, _> = read_json(&response.body);
    // The error's own words might have a part of the token.
    let answer = answer.map_err(|_| told("the answer has no access_token"))?;
    Ok(answer.access_token)
}

/// The secret is put in by KULTA, written as a form wants it.
fn form(oauth2: &OAuth2) -> String {
    let OAuth2 {
        token_url: _,
        client_id,
        client_secret,
        scopes,
    } = oauth2;
    let mut form = "grant_type=client_credentials".to_owned();
    let scope = scopes.join(" ");
    let fields = [
        ("client_id", client_id),
        ("client_secret", client_secret),
        ("scope", &scope),
    ];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        form.push('&');
        form.push_str(name);
        form.push('=');
        encode(value, &mut form);
    }
    form
}

fn encode(text: &str, form: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            form.push(char::from(byte));
        } else {
            // Writing to a text can't fail.
            let _ = write!(form, "%{byte:02X}");
        }
    }
}
