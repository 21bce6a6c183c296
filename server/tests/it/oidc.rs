//! Signing in through an OpenID Connect issuer: what is believed of it, and whose account it opens.

use std::time::Instant;

use kubewise_backend::{Oidc, PasswordPolicy, SignUp, SignUpPolicy, Web, database::Part};
use kubewise_contract::{EmailAddress, OrganisationName, PersonName};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::common::issuer::{CLIENT, Fault, Issuer, Person, SECRET, parameters, person};
use crate::common::{Browser, Clock, PASSWORD, PostOffice, TestServer};

const MAYA: &str = "maya@example.com";
const OTHER: &str = "violet anchor drums quietly";

struct World {
    clock: Clock,
    issuer: Issuer,
    server: TestServer,
    post: PostOffice,
}

impl World {
    async fn new() -> Self {
        Self::with(SignUpPolicy::Open).await
    }

    async fn with(signup: SignUpPolicy) -> Self {
        let (clock, world) = Clock::new();
        let issuer = Issuer::start(clock.clone()).await;
        let url = issuer.url();
        let server = TestServer::start_of(world.clone(), |database, world, own| {
            let back = format!("{own}/login/google/callback");
            let oidc = Oidc::new(world, &url, CLIENT, &SECRET.to_owned().into(), back).unwrap();
            let passwords = PasswordPolicy::new(world, 2).unwrap();
            let keys = database.keys();
            Web::new(database.pool(Part::Web), world.clone(), passwords, keys, database.bucket(), signup)
                .with_oidc(Some(oidc))
        })
        .await;
        let post = server.post_office(&world);
        Self { clock, issuer, server, post }
    }

    fn fault(&self, fault: Fault) {
        self.issuer.inside().fault = fault;
    }

    /// There and back: where one is led in the end.
    async fn go(&self, browser: &mut Browser, path: &str, person: &Person) -> String {
        let there = browser.follow(path).await;
        if !there.starts_with(&self.issuer.url()) {
            return there;
        }
        browser.follow(&self.issuer.agree(&there, person)).await
    }

    /// An account with a password; whether its address is proven.
    async fn account(&mut self, email: &str, verified: bool) -> Browser {
        let mut browser = self.server.browser();
        let form = [("name", "Maya Duran"), ("email", email), ("organisation", "Acme"), ("password", PASSWORD)];
        assert_eq!(browser.call("/api/sign_up", &form).await, 200);
        let token = self.post.next_with(email, "Confirm your e-mail address").await.token();
        if verified {
            assert_eq!(browser.call("/api/verify_address", &[("token", &token)]).await, 200);
        }
        browser
    }

    async fn users(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&self.server.database.superuser()).await.unwrap()
    }

    async fn identities(&self) -> Vec<(String, String)> {
        sqlx::query_as("SELECT i.subject, u.email FROM identities i JOIN users u ON u.id = i.user_id ORDER BY 1")
            .fetch_all(&self.server.database.superuser())
            .await
            .unwrap()
    }
}

async fn read(browser: &Browser, path: &str) -> Value {
    let cookie = browser.cookie.as_deref().unwrap_or_default();
    let request = browser.client.post(format!("{}{path}", browser.url)).header("cookie", cookie);
    let response = request.header("origin", &browser.url).json(&json!({})).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

async fn is_in(browser: &Browser) -> bool {
    browser.get("/account").await.status() == 200
}

/// An authenticator app, and what its codes are made of.
async fn set_up_app(browser: &mut Browser) -> Vec<u8> {
    assert_eq!(browser.call("/api/begin_authenticator", &[]).await, 200);
    let setup = read(browser, "/api/authenticator_setup").await;
    Secret::try_from_base32(setup["seed"].as_str().unwrap()).unwrap().as_bytes().to_vec()
}

fn code(seed: &[u8], clock: &Clock) -> String {
    let totp = Builder::new().with_secret(seed.to_vec()).with_account_name("x").build().unwrap();
    totp.generate(u64::try_from(clock.now().unix_timestamp()).unwrap()).to_string()
}

#[tokio::test]
async fn who_has_no_account_gets_one_and_comes_back_to_it() {
    let mut world = World::new().await;
    let mut browser = world.server.browser();
    let maya = person("1", MAYA);
    assert_eq!(world.go(&mut browser, "/login/google", &maya).await, "/o/maya-duran-s-organisation/");
    assert!(is_in(&browser).await && browser.kept.is_some());
    let account = read(&browser, "/api/account").await;
    assert_eq!((&account["name"], &account["email"]), (&json!("Maya Duran"), &json!(MAYA)));
    assert_eq!((&account["is_verified"], &account["has_password"]), (&json!(true), &json!(false)));
    assert_eq!(account["provider"]["linked"]["email"], MAYA);
    // As whoever makes an account does.
    let agreed: Vec<String> = sqlx::query_scalar("SELECT policy FROM policy_acceptances ORDER BY policy")
        .fetch_all(&world.server.database.superuser())
        .await
        .unwrap();
    assert_eq!(agreed, ["privacy", "security"]);

    // Another browser, another address there: it is the subject that counts.
    let mut elsewhere = world.server.browser();
    let renamed = Person { email: "maya@elsewhere.example".to_owned(), ..maya };
    assert_eq!(world.go(&mut elsewhere, "/login/google?next=%2Faccount", &renamed).await, "/account");
    assert_eq!(world.users().await, 1);
    assert_eq!(read(&elsewhere, "/api/account").await["provider"]["linked"]["email"], "maya@elsewhere.example");
    world.post.next_with(MAYA, "signed in to from a new browser").await;

    // Without a password none signs in, and a link by mail sets the first.
    for guess in ["", PASSWORD, "null"] {
        assert_eq!(elsewhere.call("/api/log_in", &[("email", MAYA), ("password", guess)]).await, 401);
    }
    let form = [("current_password", ""), ("password", OTHER)];
    assert_eq!(browser.call("/api/change_password", &form).await, 422);
    assert_eq!(browser.call("/api/request_reset", &[("email", MAYA)]).await, 200);
    let token = world.post.next_with(MAYA, "Choose a new password").await.token();
    assert_eq!(browser.call("/api/reset_password", &[("token", &token), ("password", OTHER)]).await, 200);
    world.server.browser().sign_in(MAYA, OTHER).await;

    // An issuer that says who somebody is at another place.
    world.fault(Fault::SaysWhoAtUserInfo);
    let mut ines = world.server.browser();
    let to = world.go(&mut ines, "/login/google", &person("4", "ines@example.com")).await;
    assert!(to.starts_with("/o/"), "{to}");
    assert_eq!(read(&ines, "/api/account").await["email"], "ines@example.com");
    world.fault(Fault::None);

    // Only pages of this server are come back to, and what has no name has one made of the address.
    let plain = Person { name: json!("  \u{7}"), ..person("2", "jonas@example.com") };
    let mut jonas = world.server.browser();
    let to = world.go(&mut jonas, "/login/google?next=%2F%2Fevil.example", &plain).await;
    assert_eq!(to, "/o/jonas-s-organisation/");
    // Longer than anything that is kept.
    let long = Person { name: json!("n".repeat(5000)), ..person("3", "n@example.com") };
    let to = world.go(&mut world.server.browser(), "/login/google", &long).await;
    assert!(to.starts_with("/o/nnn"), "{to}");
}

#[tokio::test]
async fn an_id_token_that_proves_nothing_opens_nothing() {
    let world = World::new().await;
    let maya = person("1", MAYA);
    world.go(&mut world.server.browser(), "/login/google", &maya).await;
    for fault in [
        Fault::WrongSignature,
        Fault::WrongAudience,
        Fault::MoreAudiences,
        Fault::OtherParty,
        Fault::WrongIssuer,
        Fault::Expired,
        Fault::NotSigned,
        Fault::SignedWithPublicKey,
        Fault::SignedWithSecret,
        Fault::WrongNonce,
        Fault::NoNonce,
        Fault::OtherAccessToken,
        Fault::NoIdToken,
        Fault::NoToken,
        Fault::Redirects,
        Fault::SaysAnotherAtUserInfo,
    ] {
        world.fault(fault);
        let mut browser = world.server.browser();
        assert_eq!(world.go(&mut browser, "/login/google", &maya).await, "/login?google=failed", "{fault:?}");
        assert!(!is_in(&browser).await, "{fault:?}");
    }
    world.fault(Fault::None);
    assert!(world.go(&mut world.server.browser(), "/login/google", &maya).await.starts_with("/o/"), "and then it does");
    assert_eq!(world.users().await, 1);

    // Signed as it never said that it would.
    let world = World::new().await;
    world.fault(Fault::NotAnnounced);
    assert_eq!(world.go(&mut world.server.browser(), "/login/google", &maya).await, "/login?google=failed");
}

#[tokio::test]
async fn an_answer_is_taken_once_by_the_browser_that_asked_in_time() {
    let world = World::new().await;
    let maya = person("1", MAYA);
    let mut browser = world.server.browser();
    let there = browser.follow("/login/google?next=%2Faccount").await;
    let back = world.issuer.agree(&there, &maya);
    // In another browser it is no answer.
    let mut other = world.server.browser();
    assert_eq!(other.follow(&back).await, "/login?google=failed");
    other.follow("/login/google").await;
    assert_eq!(other.follow(&back).await, "/login?google=failed", "not the state that it was given");
    assert!(!is_in(&other).await);
    assert_eq!(browser.follow(&back).await, "/account");
    // A second time it opens nothing, and who is signed in stays so.
    assert_eq!(browser.follow(&back).await, "/login?google=failed");
    assert!(is_in(&browser).await);

    // A tampered answer uses up what was begun.
    for tampered in [
        |back: &str| format!("{back}x"),
        |back: &str| back.replace("state=", "state=x"),
        |back: &str| back.split("&state").next().unwrap().to_owned(),
        |back: &str| back.replace("code-", "code-x"),
        |_: &str| "/login/google/callback".to_owned(),
        |back: &str| back.replace("code=", "error=server_error&x="),
    ] {
        let mut browser = world.server.browser();
        let there = browser.follow("/login/google").await;
        let back = world.issuer.agree(&there, &maya);
        assert_eq!(browser.follow(&tampered(&back)).await, "/login?google=failed", "{}", tampered(&back));
        assert_eq!(browser.follow(&back).await, "/login?google=failed", "{}", tampered(&back));
        assert!(!is_in(&browser).await);
    }
    // Who does not agree is told so.
    let mut browser = world.server.browser();
    let there = browser.follow("/login/google?next=%2Faccount").await;
    let state = &parameters(&there)["state"];
    let refused = format!("/login/google/callback?error=access_denied&state={state}");
    assert_eq!(browser.follow(&refused).await, "/login?google=cancelled&next=%2Faccount");
    // Too late.
    let there = browser.follow("/login/google").await;
    let back = world.issuer.agree(&there, &maya);
    world.clock.pass(time::Duration::minutes(11));
    assert_eq!(browser.follow(&back).await, "/login?google=failed");
    // What the session holds meanwhile opens nothing.
    browser.follow("/login/google").await;
    assert!(!is_in(&browser).await);
    assert_eq!(browser.call("/api/enter_code", &[("code", "123456")]).await, 401);
}

#[tokio::test]
async fn an_issuer_that_is_away_slow_or_talks_too_much_is_a_sentence() {
    let world = World::new().await;
    let maya = person("1", MAYA);
    let mut browser = world.server.browser();
    for fault in [Fault::Away, Fault::HugeDiscovery, Fault::OtherIssuer] {
        world.fault(fault);
        assert_eq!(browser.follow("/login/google").await, "/login?google=away", "{fault:?}");
        let asked = world.issuer.asked();
        assert_eq!(browser.follow("/login/google").await, "/login?google=away", "{fault:?}");
        assert_eq!(world.issuer.asked(), asked, "not asked again at once");
        world.clock.pass(time::Duration::seconds(6));
    }
    world.fault(Fault::HugeToken);
    assert_eq!(world.go(&mut browser, "/login/google", &maya).await, "/login?google=away");
    world.fault(Fault::SlowToken);
    let began = Instant::now();
    assert_eq!(world.go(&mut browser, "/login/google", &maya).await, "/login?google=away");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    world.fault(Fault::None);
    assert!(world.go(&mut browser, "/login/google", &maya).await.starts_with("/o/"));
    let response = browser.get("/login?google=away").await;
    assert!(response.text().await.unwrap().contains("Your provider cannot be reached right now."));
    let response = browser.get("/login?google=%3Cscript%3E").await;
    assert!(!response.text().await.unwrap().contains("<script>\""), "an unknown reason is none");

    // Nobody is there at all.
    let gone = TestServer::start_of(kubewise_backend::World::system(), |database, world, own| {
        let oidc = Oidc::new(world, "http://127.0.0.1:9", CLIENT, &SECRET.to_owned().into(), own.to_owned()).unwrap();
        database.web(world).with_oidc(Some(oidc))
    })
    .await;
    assert_eq!(gone.browser().follow("/login/google").await, "/login?google=away");
    // Without one there is no such page.
    assert_eq!(TestServer::start().await.browser().get("/login/google").await.status(), 404);
}

#[tokio::test]
async fn new_keys_are_fetched_when_one_is_used_and_what_it_says_of_itself_every_few_hours() {
    let world = World::new().await;
    let maya = person("1", MAYA);
    for _ in 0..3 {
        world.go(&mut world.server.browser(), "/login/google", &maya).await;
    }
    assert_eq!(world.issuer.asked(), (1, 1));
    world.issuer.rotate();
    for _ in 0..3 {
        assert!(world.go(&mut world.server.browser(), "/login/google", &maya).await.starts_with("/o/"));
    }
    assert_eq!(world.issuer.asked(), (1, 2));
    world.clock.pass(time::Duration::hours(7));
    assert!(world.go(&mut world.server.browser(), "/login/google", &maya).await.starts_with("/o/"));
    assert_eq!(world.issuer.asked(), (2, 3));
}

#[tokio::test]
async fn an_account_of_the_same_address_is_theirs_only_if_both_sides_know_it() {
    let mut world = World::new().await;
    let unverified = Person { verified: json!(false), ..person("1", MAYA) };
    let mut browser = world.server.browser();
    for person in [
        &unverified,
        &Person { verified: Value::Null, ..unverified.clone() },
        &Person { email: "not an address".to_owned(), ..person("1", MAYA) },
    ] {
        assert_eq!(world.go(&mut browser, "/login/google", person).await, "/login?google=unverified");
    }
    assert_eq!(world.users().await, 0);

    // Here it was never proven that the address is theirs.
    world.account(MAYA, false).await;
    let maya = person("1", MAYA);
    assert_eq!(world.go(&mut browser, "/login/google", &maya).await, "/login?google=account_exists");
    assert!(!is_in(&browser).await && world.identities().await.is_empty());

    // Here it was; there it was not.
    world.account("jonas@example.com", true).await;
    let jonas = person("2", "Jonas@Example.com");
    let claimed = Person { verified: json!(false), ..jonas.clone() };
    assert_eq!(world.go(&mut browser, "/login/google", &claimed).await, "/login?google=unverified");
    assert!(world.identities().await.is_empty());
    // Both.
    assert!(world.go(&mut browser, "/login/google", &jonas).await.starts_with("/o/"));
    assert_eq!(world.identities().await, [("2".to_owned(), "jonas@example.com".to_owned())]);
    world.post.next_with("jonas@example.com", "Another way to sign in was linked").await;
    world.server.browser().sign_in("jonas@example.com", PASSWORD).await;
    // The address was given to somebody else there since.
    let mut stranger = world.server.browser();
    let next = person("3", "jonas@example.com");
    assert_eq!(world.go(&mut stranger, "/login/google", &next).await, "/login?google=account_exists");
    assert!(!is_in(&stranger).await);
    // Letters that compare alike, but are others: the sign for Kelvin in lower case is a k.
    world.account("kim@example.com", true).await;
    let alike = person("4", "\u{212a}im@example.com");
    assert_eq!(world.go(&mut stranger, "/login/google", &alike).await, "/login?google=account_exists");
}

#[tokio::test]
async fn where_strangers_are_not_let_in_the_issuer_lets_none_in() {
    let world = World::with(SignUpPolicy::Invite).await;
    let mut browser = world.server.browser();
    assert_eq!(world.go(&mut browser, "/login/google", &person("1", MAYA)).await, "/login?google=sign_up_closed");
    assert_eq!(world.users().await, 0);
}

#[tokio::test]
async fn who_is_invited_to_an_organisation_comes_by_the_issuer_also_where_strangers_do_not() {
    let mut world = World::with(SignUpPolicy::Invite).await;
    let owner = SignUp {
        name: PersonName::parse("Maya Duran").unwrap(),
        email: EmailAddress::parse(MAYA).unwrap(),
        password: PASSWORD.to_owned().into(),
        organisation: OrganisationName::parse("Acme").unwrap(),
        place: "this machine".to_owned(),
    };
    world.server.web.admin_create_user(owner).await.unwrap().unwrap();
    let mut browser = world.server.browser();
    browser.sign_in(MAYA, PASSWORD).await;
    let form = [("org", "acme"), ("email", "Aiko@example.com"), ("role", "viewer")];
    assert_eq!(browser.call("/api/invite", &form).await, 200);
    let link = world.post.next_with("Aiko@example.com", "You are invited to Acme at Kubewise").await.token();
    let way = format!("/login/google?next=%2Finvite%3Ftoken%3D{link}");

    // Somebody else who has the link is as strange as before.
    let mut stranger = world.server.browser();
    world.go(&mut stranger, &way, &person("s-1", "mallory@example.com")).await;
    assert!(!is_in(&stranger).await);

    let mut theirs = world.server.browser();
    let to = world.go(&mut theirs, &way, &person("a-1", "aiko@example.com")).await;
    assert_eq!(to, format!("/invite?token={link}"));
    assert!(is_in(&theirs).await);
    assert_eq!(theirs.get("/o/acme/").await.status(), 404, "nobody has accepted yet");
    assert_eq!(theirs.call("/api/accept_invitation", &[("token", &link)]).await, 200);
    assert_eq!(theirs.get("/o/acme/").await.status(), 200);
    assert_eq!(theirs.call("/api/accept_invitation", &[("token", &link)]).await, 410);
    assert_eq!(world.users().await, 2);
}

#[tokio::test]
async fn linking_is_for_who_proved_lately_who_they_are_and_came_from_our_own_page() {
    let mut world = World::new().await;
    let mut browser = world.account(MAYA, false).await;
    let elsewhere = person("1", "maya@elsewhere.example");
    let confirm = "/account/confirm?next=%2Faccount%2Fsecurity";
    assert_eq!(world.server.browser().follow("/login/google?purpose=link").await, "/login?next=%2Faccount%2Fsecurity");

    // Another site sends somebody who is signed in there as another.
    for header in [Some("cross-site"), None] {
        let mut request = browser.client.get(format!("{}/login/google?purpose=link", browser.url));
        request = request.header("cookie", browser.cookie.as_deref().unwrap());
        if let Some(site) = header {
            request = request.header("sec-fetch-site", site);
        }
        assert_eq!(request.send().await.unwrap().headers()["location"], "/account/security?google=failed");
    }
    world.clock.pass(time::Duration::minutes(11));
    assert_eq!(browser.follow("/login/google?purpose=link").await, confirm);
    assert_eq!(browser.call("/api/confirm_identity", &[("current_password", PASSWORD)]).await, 200);
    // The first half of a proof is not asked of who has a password, and is none.
    assert_eq!(browser.call("/api/confirm_identity", &[("code", "123456")]).await, 409);
    let to = world.go(&mut browser, "/login/google?purpose=link", &elsewhere).await;
    assert_eq!(to, "/account/security?done=linked");
    world.post.next_with(MAYA, "Another way to sign in was linked").await;
    assert_eq!(read(&browser, "/api/account").await["provider"]["linked"]["email"], "maya@elsewhere.example");
    let mut again = world.server.browser();
    assert_eq!(world.go(&mut again, "/login/google", &elsewhere).await, "/o/acme/");

    // It is nobody else's any more, and one account has one.
    let mut jonas = world.account("jonas@example.com", true).await;
    let taken = "/account/security?google=taken";
    assert_eq!(world.go(&mut jonas, "/login/google?purpose=link", &elsewhere).await, taken);
    assert_eq!(world.go(&mut browser, "/login/google?purpose=link", &person("9", MAYA)).await, taken);
    // Who took too long at the issuer must prove it again; who signed out is signed out.
    let there = jonas.follow("/login/google?purpose=link").await;
    let back = world.issuer.agree(&there, &person("7", "jonas@example.com"));
    let mut gone = world.server.browser();
    (gone.cookie, gone.kept) = (jonas.cookie.clone(), jonas.kept.clone());
    world.clock.pass(time::Duration::minutes(9));
    assert_eq!(jonas.follow(&back).await, "/account/security?done=linked");
    let there = gone.follow("/login/google?purpose=link").await;
    assert_eq!(gone.call("/api/log_out", &[]).await, 200);
    assert!(!is_in(&gone).await);
    let back = world.issuer.agree(&there, &person("8", "jonas@example.com"));
    assert_eq!(gone.follow(&back).await, "/login?google=failed");
    assert_eq!(world.identities().await.len(), 2);

    // Unlinked by who proved it lately, and told of.
    world.clock.pass(time::Duration::minutes(11));
    assert_eq!(browser.call("/api/unlink_google", &[]).await, 403);
    assert_eq!(browser.call("/api/confirm_identity", &[("current_password", PASSWORD)]).await, 200);
    assert_eq!(browser.call("/api/unlink_google", &[]).await, 200);
    assert_eq!(browser.call("/api/unlink_google", &[]).await, 404);
    world.post.next_with(MAYA, "A way to sign in was unlinked").await;
    let stranger = world.go(&mut again, "/login/google", &elsewhere).await;
    assert_eq!(stranger, "/o/maya-duran-s-organisation/", "a new account: nothing is left of the link");
}

#[tokio::test]
async fn who_has_no_password_is_not_locked_out_and_sets_one() {
    let mut world = World::new().await;
    let maya = person("1", MAYA);
    let (mut browser, mut other) = (world.server.browser(), world.server.browser());
    world.go(&mut browser, "/login/google", &maya).await;
    world.go(&mut other, "/login/google", &maya).await;
    assert_eq!(browser.call("/api/unlink_google", &[]).await, 409);
    world.clock.pass(time::Duration::minutes(11));
    assert_eq!(browser.call("/api/set_password", &[("password", OTHER)]).await, 403);
    assert_eq!(browser.call("/api/change_address", &[("email", "new@example.com")]).await, 403);

    // The issuer's word, when it asked just now, and only of the same person.
    let path = "/login/google?purpose=confirm&next=%2Faccount%2Fsessions";
    let refused = |why: &str| format!("/account/confirm?next=%2Faccount%2Fsessions&google={why}");
    assert_eq!(world.go(&mut browser, path, &person("2", "jonas@example.com")).await, refused("other"));
    for fault in [Fault::OldAuthTime, Fault::NoAuthTime] {
        world.fault(fault);
        assert_eq!(world.go(&mut browser, path, &maya).await, refused("stale"), "{fault:?}");
    }
    world.fault(Fault::None);
    assert_eq!(browser.call("/api/set_password", &[("password", OTHER)]).await, 403);
    let before = browser.cookie.clone();
    assert_eq!(world.go(&mut browser, path, &maya).await, "/account/sessions");
    assert_ne!(browser.cookie, before, "the session has another id");

    assert_eq!(browser.call("/api/change_address", &[("email", "new@example.com")]).await, 200);
    assert_eq!(browser.call("/api/set_password", &[("password", "maya maya maya")]).await, 422);
    assert_eq!(browser.call("/api/set_password", &[("password", OTHER)]).await, 200);
    assert!(is_in(&browser).await && !is_in(&other).await);
    world.post.next_with(MAYA, "Your password was changed").await;
    assert_eq!(browser.call("/api/set_password", &[("password", PASSWORD)]).await, 404, "now it is changed instead");
    world.server.browser().sign_in(MAYA, OTHER).await;
    assert_eq!(browser.call("/api/unlink_google", &[]).await, 200);
}

#[tokio::test]
async fn the_issuer_stands_for_the_password_and_never_for_the_code() {
    let world = World::new().await;
    let maya = person("1", MAYA);
    let mut browser = world.server.browser();
    world.go(&mut browser, "/login/google", &maya).await;
    let seed = set_up_app(&mut browser).await;
    assert_eq!(browser.call("/api/confirm_authenticator", &[("code", &code(&seed, &world.clock))]).await, 200);

    // Signing in.
    let mut other = world.server.browser();
    assert_eq!(world.go(&mut other, "/login/google?next=%2Faccount%2Fsessions", &maya).await, "/mfa");
    assert!(!is_in(&other).await);
    assert_eq!(other.call("/api/enter_code", &[("code", "000000")]).await, 422);
    world.clock.pass(time::Duration::minutes(1));
    let form = [("code", code(&seed, &world.clock))];
    let response = other.post("/api/enter_code", &[("code", &form[0].1)]).await;
    assert_eq!(response.headers()["location"], "/account/sessions");
    assert!(is_in(&other).await);

    // Confirming: the issuer's word is half of it.
    world.clock.pass(time::Duration::minutes(11));
    let form = [("code", code(&seed, &world.clock))];
    let form = [("code", form[0].1.as_str())];
    assert_eq!(other.call("/api/confirm_identity", &form).await, 409, "the code alone is not enough");
    let path = "/login/google?purpose=confirm&next=%2Faccount%2Fsessions";
    let half = "/account/confirm?next=%2Faccount%2Fsessions&half=1";
    assert_eq!(world.go(&mut other, path, &maya).await, half);
    assert_eq!(other.call("/api/new_recovery_codes", &[]).await, 403, "half of it is not enough");
    assert_eq!(other.call("/api/set_password", &[("password", OTHER)]).await, 403);
    let page = other.get(half).await.text().await.unwrap();
    assert!(page.contains("name=\"code\"") && !page.contains("name=\"current_password\""));
    assert_eq!(other.call("/api/confirm_identity", &[("code", "000000")]).await, 422);
    assert_eq!(other.call("/api/confirm_identity", &[]).await, 422);
    // Nor does it wait for the rest for ever.
    world.clock.pass(time::Duration::minutes(11));
    let late = code(&seed, &world.clock);
    assert_eq!(other.call("/api/confirm_identity", &[("code", &late)]).await, 409);
    assert_eq!(world.go(&mut other, path, &maya).await, half);
    assert_eq!(other.call("/api/confirm_identity", &[("code", &code(&seed, &world.clock))]).await, 200);
    assert_eq!(other.call("/api/new_recovery_codes", &[]).await, 200);
}

#[tokio::test]
async fn who_leaves_for_the_issuer_again_and_again_has_to_wait() {
    let world = World::new().await;
    let maya = person("1", MAYA);
    let mut browser = world.server.browser();
    browser.address = Some("192.0.2.9".to_owned());
    // Who comes back is none of those.
    for _ in 0..60 {
        assert!(!world.go(&mut browser, "/login/google", &maya).await.contains("google="));
    }
    let mut last = String::new();
    for _ in 0..52 {
        last = browser.follow("/login/google").await;
    }
    assert_eq!(last, "/login?google=too_many");
    browser.address = Some("192.0.2.10".to_owned());
    assert!(browser.follow("/login/google").await.starts_with("http"));
}
