"""`SAFE_DEFAULTS`: names to start a denylist with, `denylist=[*SAFE_DEFAULTS, "mine"]`.

The list applies only where a configuration names it. A minor release may add names; it then raises `VERSION` by one and
lists the new names in the changelog. Only a major release removes names, so that an upgrade within a major version
never sends more than before.

Header names are compared without regard to case. All other names are compared exactly, so the list has them in their
common spellings. Names that are as often harmless (`code`, `key`, `id`) are not in the list: add them where they are
secrets. docs/data.md says which product uses each name added since version 2.
"""

from __future__ import annotations

VERSION = 2

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
    # Added in version 2, by the products that use the names.
    # Django.
    "new_password1", "new_password2",
    # djoser.
    "re_password", "re_new_password",
    # django-allauth.
    "oldpassword", "x-email-verification-key", "x-password-reset-key",
    # dj-rest-auth, django-rest-knox, Simple JWT.
    "access", "refresh",
    # Flask-Security, Flask-Login.
    "authentication-token", "password_confirm", "new_password_confirm", "remember_token",
    # Devise (Rails), Laravel, ASP.NET, Auth.js.
    "new_password_confirmation", "newPasswordConfirmation", "reset_password_token", "confirmation_token",
    "unlock_token", "remember_user_token", "laravel_session", "XSRF-TOKEN", "__RequestVerificationToken",
    "ASP.NET_SessionId", ".AspNetCore.Cookies", "next-auth.session-token", "__Secure-next-auth.session-token",
    "authjs.session-token", "__Secure-authjs.session-token",
    # forms written by hand.
    "repeat_password", "repeatPassword", "password_repeat", "passwordRepeat", "retype_password", "verify_password",
    "passwordConfirm", "new_password_repeat", "newPasswordConfirm", "confirm_new_password", "confirmNewPassword",
    "verification_token", "verificationToken", "activation_token", "activationToken", "recovery_code", "recoveryCode",
    "backup_code", "backupCode",
    # SAML 2.0.
    "SAMLResponse", "SAMLRequest", "SAMLart",
    # OAuth 1.0.
    "oauth_token", "oauth_token_secret", "oauth_verifier", "oauth_signature",
    # OAuth 2.0 and OpenID Connect.
    "registration_access_token", "device_code", "user_code", "subject_token", "actor_token", "id_token_hint",
    "logout_token", "login_hint_token", "auth_req_id", "dpop",
    # AWS Application Load Balancer.
    "x-amzn-oidc-data", "x-amzn-oidc-accesstoken", "x-amzn-oidc-identity", "x-amzn-mtls-clientcert",
    "x-amzn-mtls-clientcert-leaf", "AWSELBAuthSessionCookie-0", "AWSELBAuthSessionCookie-1",
    # Cloudflare Access.
    "cf-access-jwt-assertion", "cf-access-token", "cf-access-client-id", "cf-access-client-secret",
    "cf-access-authenticated-user-email", "CF_Authorization",
    # Azure App Service and API Management.
    "x-ms-client-principal", "x-ms-client-principal-id", "x-ms-client-principal-name", "x-ms-token-aad-access-token",
    "x-ms-token-aad-id-token", "x-ms-token-aad-refresh-token", "x-ms-token-facebook-access-token",
    "x-ms-token-google-access-token", "x-ms-token-google-id-token", "x-ms-token-google-refresh-token",
    "x-ms-token-twitter-access-token", "x-ms-token-twitter-access-token-secret", "x-zumo-auth", "x-functions-key",
    "x-arr-clientcert", "AppServiceAuthSession",
    # oauth2-proxy.
    "x-forwarded-access-token", "x-forwarded-email", "x-forwarded-user", "x-forwarded-preferred-username",
    "x-auth-request-access-token", "x-auth-request-email", "x-auth-request-user", "x-auth-request-preferred-username",
    "_oauth2_proxy",
    # Google Cloud Run and Identity-Aware Proxy.
    "x-serverless-authorization", "x-goog-authenticated-user-email", "x-goog-authenticated-user-id",
    # Envoy, Traefik, nginx.
    "x-forwarded-client-cert", "x-forwarded-tls-client-cert", "ssl-client-cert",
    # GitLab.
    "private-token", "job-token", "deploy-token", "x-gitlab-token", "private_token", "job_token",
    # HashiCorp Vault.
    "x-vault-token", "x-vault-wrap-token", "client_token",
    # Shopify.
    "x-shopify-access-token", "x-shopify-storefront-access-token", "x-shopify-hmac-sha256",
)  # fmt: skip
