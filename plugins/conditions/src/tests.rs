//! The words of conditions, and the texts of refusals. What conditions mean is tested where they run:
//! `tests/conformance/conditions.yaml`.

use super::*;

fn refusal(condition: &str, measured: &Measured) -> String {
    evaluate(condition, measured).unwrap_err().to_string()
}

#[test]
fn a_string_and_a_comment_hide_what_is_in_them() {
    let measured = Measured::Text("a[9] ?? b".to_owned());
    assert_eq!(
        evaluate("result == /* [1] */ 'a[9] ?? b' // ??", &measured),
        Ok(true)
    );
}

#[test]
fn numbers_of_every_form_are_one_word() {
    let measured = Measured::Scalar(1_000.0);
    let condition =
        "result == 1e3 and result == 1_000 and result == 0x3E8 and 2.5e-1 == .25 and len(1..3) == 3";
    assert_eq!(evaluate(condition, &measured), Ok(true));
}

#[test]
fn what_does_not_fit_together_is_told_in_gos_words() {
    assert_eq!(
        refusal("result == \"1\"", &Measured::Scalar(1.0)),
        "invalid operation: == (mismatched types: a number and a string)"
    );
}

#[test]
fn an_unknown_name_is_told_even_where_it_is_not_reached() {
    assert_eq!(
        refusal("result > 0 or reslut > 1", &Measured::Scalar(1.0)),
        "unknown name reslut at character 14"
    );
    assert!(check("result > 0 or reslut > 1").is_err());
}

#[test]
fn a_condition_that_ends_too_early_is_told() {
    assert_eq!(
        check("result[0 > 1").unwrap_err().to_string(),
        "the condition ends before a closing \"]\""
    );
    assert_eq!(
        check("result == 'a").unwrap_err().to_string(),
        "the string at character 10 does not end"
    );
}

#[test]
fn the_texts_of_errors_are_bounded_and_end_at_a_whole_character() {
    let refusal = Refusal::new("ä".repeat(MESSAGE_BYTES));
    assert_eq!(refusal.to_string().len(), MESSAGE_BYTES);
    let refusal = Refusal::new(format!("a{}", "ä".repeat(MESSAGE_BYTES)));
    assert_eq!(refusal.to_string().len(), MESSAGE_BYTES - 1);
}

#[test]
fn a_default_and_another_operator_need_parentheses() {
    let measured = Measured::Json("{\"ok\": true}".to_owned());
    assert_eq!(
        refusal("result.ok ?? false == false", &measured),
        "operator == at character 19 and ?? can't be mixed: write parentheses around what has the default"
    );
    assert_eq!(evaluate("(result.ok ?? false) == false", &measured), Ok(false));
    assert_eq!(evaluate("false == result.ok ?? false", &measured), Ok(false));
    assert_eq!(
        evaluate("false == result.ok ?? false or true", &measured),
        Ok(true)
    );
}
