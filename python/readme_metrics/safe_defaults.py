"""`SAFE_DEFAULTS`: names to start a denylist with, `denylist=[*SAFE_DEFAULTS, "mine"]`.

It is never applied unasked. A minor release may add names; it then raises `VERSION` by one and says which in the
changelog. Only a major release removes any, so that an upgrade within a major version never sends more than before.

Header names are compared without regard to case, all others exactly: these are in the spellings that are common. Names
that are as often harmless (`code`, `key`, `id`) are left out: add them where they are secrets.
"""

from __future__ import annotations

VERSION = 1

SAFE_DEFAULTS: tuple[str, ...] = (
    # Headers.
    "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token", "x-access-token",
    "x-session-token", "x-csrf-token", "x-csrftoken", "x-xsrf-token", "x-amz-security-token", "x-goog-api-key",
    "x-goog-iap-jwt-assertion", "ocp-apim-subscription-key",
    # Passwords.
    "password", "passwd", "pwd", "pass", "passphrase", "passcode", "pin", "password1", "password2",
    "password_confirmation", "passwordConfirmation", "confirm_password", "confirmPassword", "old_password",
    "oldPassword", "current_password", "currentPassword", "new_password", "newPassword", "otp", "totp",
    "one_time_password", "oneTimePassword",
    # Tokens and sessions.
    "token", "access_token", "accessToken", "refresh_token", "refreshToken", "id_token", "idToken", "auth_token",
    "authToken", "api_token", "apiToken", "session_token", "sessionToken", "reset_token", "resetToken", "bearer",
    "jwt", "auth", "assertion", "client_assertion", "code_verifier", "csrf", "csrf_token", "csrfToken", "csrftoken",
    "csrfmiddlewaretoken", "xsrf_token", "xsrfToken", "authenticity_token", "session", "session_id", "sessionId",
    "sessionid", "sid", "connect.sid", "JSESSIONID", "PHPSESSID",
    # Keys, secrets and signatures.
    "api_key", "apiKey", "apikey", "api-key", "secret", "client_secret", "clientSecret", "shared_secret",
    "sharedSecret", "secret_key", "secretKey", "access_key", "accessKey", "secret_access_key", "secretAccessKey",
    "private_key", "privateKey", "encryption_key", "encryptionKey", "signing_key", "signingKey", "subscription-key",
    "credential", "credentials", "signature", "sig", "Signature", "AWSAccessKeyId", "X-Amz-Credential",
    "X-Amz-Security-Token", "X-Amz-Signature", "X-Goog-Credential", "X-Goog-Signature",
    # Cards and numbers of persons.
    "card_number", "cardNumber", "cardnumber", "card[number]", "credit_card", "creditCard", "credit_card_number",
    "creditCardNumber", "cvc", "cvv", "cvv2", "card[cvc]", "card_cvc", "cardCvc", "security_code", "securityCode",
    "ssn", "social_security_number", "socialSecurityNumber",
)  # fmt: skip
