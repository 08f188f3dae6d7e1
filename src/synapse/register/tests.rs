#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::super::homeserver::tests::{answer, block_on, serve};
use super::*;

fn server_name() -> ServerName {
    ServerName::parse("example.org").unwrap()
}

fn anna() -> Username {
    Username::parse("anna", &server_name()).unwrap()
}

#[test]
fn user_names_are_held_to_the_rule() {
    for good in ["anna", "a", "anna.b-c_d=e/f+g", "1a", "a1"] {
        assert_eq!(
            Username::parse(good, &server_name()).unwrap().as_str(),
            good
        );
    }
    let tell = |name: &str| {
        Username::parse(name, &server_name())
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(tell(""), @"the user name is empty");
    insta::assert_snapshot!(tell("Anna"), @r#"the user name "Anna" may not contain 'A': use a-z, 0-9 and any of =_-./+"#);
    insta::assert_snapshot!(tell("@anna:example.org"), @r#""@anna:example.org" is a whole user id: give only what stands between @ and the colon"#);
    insta::assert_snapshot!(tell("_anna"), @r#"the user name "_anna" may not begin with an underscore"#);
    insta::assert_snapshot!(tell("123"), @r#"the user name "123" may not be a number: those belong to guests"#);
    insta::assert_snapshot!(tell(&"a".repeat(243)), @"the user name is too long: with @ and :example.org it would have 256 characters, and 255 are the most");
    assert!(Username::parse(&"a".repeat(242), &server_name()).is_ok());
}

#[test]
fn the_mac_is_the_one_that_synapse_computes() {
    // From Python: hmac.new(b"secret", b"nonce\0anna\0pass\0admin", "sha1").hexdigest(), and with notadmin.
    let secret = SecretString::from("secret\n");
    let mac_for = |admin| {
        mac(
            &secret,
            "nonce",
            &anna(),
            &SecretString::from("pass"),
            admin,
        )
    };
    assert_eq!(mac_for(true), "a1c5dd3a6439cb636226ec3d970b011b888ba6bc");
    assert_eq!(mac_for(false), "0954d94ce05601dce1322e4fa249aea32ed8a1c6");
}

#[test]
fn a_user_is_registered_without_showing_the_secret() {
    let answers = vec![
        answer("200 OK", r#"{"nonce":"n"}"#),
        answer(
            "200 OK",
            r#"{"user_id":"@anna:example.org","home_server":"example.org"}"#,
        ),
    ];
    let (homeserver, server) = serve(answers);
    let (password, secret) = (SecretString::from("pa\"ss"), SecretString::from("hunter2"));
    block_on(homeserver.register(&anna(), &password, true, &secret)).unwrap();
    let requests = server.join().unwrap();
    assert!(requests[0].starts_with("GET /_synapse/admin/v1/register "));
    assert!(requests[1].starts_with("POST /_synapse/admin/v1/register "));
    let body: serde_json::Value =
        serde_json::from_str(requests[1].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["username"], "anna");
    assert_eq!(body["password"], "pa\"ss");
    assert_eq!(body["admin"], true);
    assert_eq!(body["inhibit_login"], true);
    assert_eq!(body["nonce"], "n");
    assert!(!requests.concat().contains("hunter2"));
}

#[test]
fn refusals_are_told_apart() {
    let tell = |status: &str, body: &str| {
        let answers = vec![answer("200 OK", r#"{"nonce":"n"}"#), answer(status, body)];
        let (homeserver, server) = serve(answers);
        let secret = SecretString::from("x");
        let error = block_on(homeserver.register(&anna(), &secret, false, &secret)).unwrap_err();
        server.join().unwrap();
        error
    };
    let in_use = r#"{"errcode":"M_USER_IN_USE","error":"User ID already taken."}"#;
    insta::assert_snapshot!(tell("400 Bad Request", in_use), @"the user anna exists already");
    let invalid = r#"{"errcode":"M_INVALID_USERNAME","error":"Not that one."}"#;
    insta::assert_snapshot!(tell("400 Bad Request", invalid), @"synapse does not take the user name anna: Not that one.");
    let mac = r#"{"errcode":"M_UNKNOWN","error":"HMAC incorrect"}"#;
    insta::assert_snapshot!(tell("403 Forbidden", mac), @"synapse runs with another registration secret than the one on the data volume");
    let other = r#"{"errcode":"M_UNKNOWN","error":"no"}"#;
    assert!(matches!(
        tell("500 Internal Server Error", other),
        RegisterError::Api(ApiError::Refused { .. })
    ));
}

#[test]
fn a_password_is_long_and_plain() {
    let password = password(|bytes| {
        bytes.fill(0xfb);
        Ok::<_, std::convert::Infallible>(())
    });
    let password = password.unwrap();
    let text = password.expose_secret();
    assert_eq!(text.len(), 43);
    assert!(
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
}
