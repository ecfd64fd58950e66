//! What may be put before a person was checked against what is known of the client: its answers go nowhere else.

use deputy_identity::authorization::AuthorizationRequest;

fn elsewhere(request: AuthorizationRequest) -> AuthorizationRequest {
    AuthorizationRequest { redirect_uri: "https://evil.example".to_owned(), ..request }
}

fn main() {}
