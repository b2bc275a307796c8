"""The settings name the grouping function by its path, since its module needs the apps that they configure."""

import os

from readme_metrics import MetricsApiConfig

SECRET_KEY = "secret"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "readme_metrics.django.MetricsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
README_METRICS_CONFIG = MetricsApiConfig(
    api_key=os.getenv("README_API_KEY"),
    grouping_function="shop.views.grouping_function",
    background_worker_mode=False,
    buffer_length=1,
    timeout=5,
)
